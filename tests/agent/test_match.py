"""Matches: fair, counted right, and the same however many are played beside them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from lucy.agent.checkpoint import CheckpointError
from lucy.agent.match import MatchResult, play, race
from lucy.agent.match_report import to_json
from lucy.agent.opponents import SCRIPTED, BotError, make_bot
from lucy.agent.opponents.network_bot import TILE
from lucy.sim.constants import KICKOFF_SPOTS
from lucy.sim.state import GameStates


def test_one_seed_gives_equal_games_at_any_number_of_games(trained_run: Path) -> None:
    def goals_and_touches(games: int, threads: int) -> np.ndarray:
        bots = make_bot(str(trained_run)), make_bot("chaser")
        result = play(*bots, games=games, seed=3, seconds=20, threads=threads)
        return np.concatenate([result.figures["goals"], result.figures["touches"]], axis=1)

    many = goals_and_touches(6, threads=2)
    np.testing.assert_array_equal(goals_and_touches(2, threads=1), many[:2])
    np.testing.assert_array_equal(goals_and_touches(6, threads=1), many)
    assert many[:, 3].sum() > 0  # the chaser reached the ball


def test_published_bots_play_equal_games_at_any_number_at_once(
    opponents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCY_BOTS", str(opponents))

    def played(games: int, at_once: int, threads: int) -> MatchResult:
        bots = make_bot("nexto"), make_bot("necto:beta=0.5")
        given = {"mode": "2v2", "games": games, "at_once": at_once, "threads": threads}
        return play(*bots, seed=5, seconds=3, **given)

    all_at_once = played(17, 17, 1)
    assert TILE < 17 * 2  # a network sees the cars of one bot in two tiles
    some_at_once, one_by_one = played(17, 6, 2), played(3, 1, 1)
    for name, values in all_at_once.figures.items():
        np.testing.assert_array_equal(some_at_once.figures[name], values, err_msg=name)
        np.testing.assert_array_equal(one_by_one.figures[name], values[:3], err_msg=name)
    assert some_at_once.scored == all_at_once.scored
    assert all_at_once.figures["touches"].sum() > 0
    assert len(np.unique(all_at_once.figures["ball_speed"][:, 0])) > 1


def test_a_draw_goes_into_overtime_which_the_first_goal_ends() -> None:
    bots = make_bot("chaser"), make_bot("idle")
    without = play(*bots, games=16, seconds=2)
    assert without.seconds.tolist() == [2.0] * 16
    # Whether a kickoff goes straight in depends on how the processor rounds: of sixteen some do
    result = play(*bots, games=16, seconds=2, overtime=20)
    assert without.results[1] == 16
    assert 0 < result.results[1] < 16
    for game, seconds in enumerate(result.seconds.tolist()):
        goals = [goal for goal in result.scored if goal.game == game]
        assert [goal.seconds for goal in goals] == ([seconds] if seconds < 22 else [])
        assert all(goal.scorer in (0, None) for goal in goals)
    again = play(*bots, games=16, seconds=2, overtime=20, at_once=3)
    assert again.scored == result.scored


def test_a_race_ends_with_the_deciding_goal() -> None:
    def run(at_once: int) -> MatchResult:
        return race(make_bot("chaser"), make_bot("random"), goals=4, seed=2, at_once=at_once)

    result = run(7)
    assert max(result.goals) == 4
    assert result.scored[-1].by_first == (result.goals[0] == 4)
    assert len(result.scored) == sum(result.goals)
    seconds = [goal.seconds for goal in result.scored]
    assert seconds == sorted(seconds)
    assert result.seconds[0] == pytest.approx(seconds[-1])
    assert run(2).scored == result.scored


def test_another_seed_gives_other_games() -> None:
    def positions(seed: int) -> np.ndarray:
        seen: list[np.ndarray] = []
        play(
            make_bot("random"),
            make_bot("random"),
            games=1,
            seed=seed,
            seconds=2,
            on_step=lambda states, step: seen.append(states.car_position.copy()),
        )
        return np.stack(seen)

    np.testing.assert_array_equal(positions(0), positions(0))
    assert not np.array_equal(positions(0), positions(1))


@pytest.mark.parametrize("mode", ["1v1", "2v2", "3v3"])
def test_bots_drive_their_own_cars_and_swap_sides(mode: str) -> None:
    moved: list[np.ndarray] = []

    def watch(states: GameStates, step: int) -> None:
        speed = np.linalg.norm(states.car_linear_velocity[..., :2], axis=-1)
        moved.append((speed > 100) & states.car_mask)

    # For one second, in which no car reaches another
    play(make_bot("chaser"), make_bot("idle"), mode=mode, games=2, seconds=1, on_step=watch)
    half = moved[-1].shape[1] // 2
    assert moved[-1][0, :half].all()
    assert not moved[-1][0, half:].any()
    assert not moved[-1][1, :half].any()
    assert moved[-1][1, half:].all()


def test_goals_count_for_the_side_that_the_bot_plays() -> None:
    result = play(make_bot("chaser"), make_bot("random"), games=4, seed=0, seconds=120)
    first, second = result.goals
    assert first > second
    assert sum(result.results) == 4
    assert result.per_minute("touches")[0] > 5 * result.per_minute("touches")[1]
    for game, goals in enumerate(result.figures["goals"].tolist()):
        scored = [goal.by_first for goal in result.scored if goal.game == game]
        assert [scored.count(True), scored.count(False)] == goals
    assert all(0 < goal.seconds <= 120 and goal.ball_speed < 6000 for goal in result.scored)


def test_figures_add_up() -> None:
    goals = np.array([[3, 1], [0, 0], [1, 2]])
    touches = np.array([[30, 6], [30, 6], [30, 6]])
    seconds = np.full(3, 300.0)
    ball = np.array([[1000.0, 1000.0], [2000.0, 2000.0], [1500.0, 1500.0]])
    figures = {"goals": goals, "touches": touches, "ball_speed": ball}
    result = MatchResult(("a", "b"), "2v2", seconds, figures, cars=2)
    assert result.goals == (4, 3)
    assert result.results == (1, 1, 1)
    assert result.per_minute("touches") == (3.0, 0.6)  # 90 in 3 games of 5 minutes by 2 cars
    data = to_json(result)
    assert data["goal_share"] == [4 / 7, 3 / 7]
    assert data["ball_speed"] == 1500
    assert data["games"]["goals"] == goals.tolist()


def test_deterministic_play_takes_the_likeliest_actions(trained_run: Path) -> None:
    def controls(deterministic: bool, seed: int) -> np.ndarray:
        seen: list[np.ndarray] = []
        play(
            make_bot(str(trained_run), deterministic=deterministic),
            make_bot("idle"),
            games=1,
            seed=seed,
            seconds=1,
            on_step=lambda states, step: seen.append(states.previous_action[0, 0].copy()),
        )
        return np.stack(seen[1:2])  # the kickoff spot is drawn from the seed

    assert len({controls(False, seed).tobytes() for seed in range(8)}) > 1
    assert len({controls(True, seed).tobytes() for seed in range(8)}) == 1


def test_no_two_kickoffs_are_alike() -> None:
    seen = []
    idle = make_bot("idle")
    play(
        *(idle, idle),
        mode="2v2",
        games=12,
        seconds=0.1,
        on_step=lambda states, step: seen.append(states.car_position[..., :2].copy()),
    )
    blue, orange = np.split(seen[0], 2, axis=1)  # [games,2,2]
    off = np.abs(blue[:, :, None] - KICKOFF_SPOTS[:, :2]).max(axis=3).min(axis=2)
    assert 0 < off.max() < 1.01
    assert np.abs(blue + orange).max() < 2.02
    assert len(np.unique(seen[0].reshape(12, -1), axis=0)) == 12


@pytest.mark.parametrize(("name", "near"), [("chasr", "chaser"), ("randm", "random")])
def test_unknown_bot(name: str, near: str) -> None:
    with pytest.raises(BotError, match=f"unknown bot '{name}' .did you mean '{near}'.*checkpoint"):
        make_bot(name)


def test_a_checkpoint_of_another_observation_is_refused(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    monkeypatch.setattr("lucy.sim.observations.LucyObservation.version", "lucy-2")
    with pytest.raises(CheckpointError, match=r"observation version 'lucy-2'.*'lucy-1'"):
        make_bot(str(run))


def test_scripted_bots_are_all_there() -> None:
    assert set(SCRIPTED) == {"random", "idle", "chaser", "striker"}


@pytest.mark.parametrize("mode", ["1v1", "2v2", "3v3"])
def test_the_bot_that_ships_beats_the_chaser(mode: str) -> None:
    result = play(make_bot("lucy"), make_bot("chaser"), mode=mode, games=8, seconds=90)
    ours, theirs = result.goals
    assert ours > 2 * theirs + 4  # in whole games she had ten times as many or more


def test_the_shipped_bot_goes_for_the_ball() -> None:
    result = play(make_bot("lucy"), make_bot("idle"), games=4, seconds=30)
    assert result.names == ("lucy", "idle")
    assert result.figures["touches"][:, 0].sum() > 4
