"""A share of the games is played against past selves and bots, and only the learner learns."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger

from lucy.agent import checkpoint
from lucy.agent.checkpoint import CheckpointError
from lucy.agent.config import ConfigError, TrainConfig, load_preset
from lucy.agent.league.cast import PAST, cast_games
from lucy.agent.league.environment import LeagueVecEnv, build_league_env
from lucy.agent.league.past_selves import most_crowded
from lucy.agent.league.results import Results, pfsp
from lucy.agent.metrics import read_metrics
from lucy.agent.opponents import BotError
from lucy.agent.opponents.policy_bot import checkpoint_bot, untrained_policy
from lucy.agent.opponents.scripted import ChaserBot
from lucy.agent.train import build_model, needed_versions, restore, start_settings, train
from lucy.sim.observations import LucyObservation, ball_forward
from lucy.sim.stage import BOT, LEARNER, OPPONENT

from .conftest import tiny_config

LEAGUE: dict[str, Any] = {
    "league__share": 1.0,
    "league__bots": {"chaser": 1.0},
    "league__refresh": 1,
    "league__at_once": 2,
    "ppo__batch_size": 16,
}


def league_config(**changes: Any) -> TrainConfig:
    """Four arenas of 1v1: the learner against itself as it was in two, and a chaser in two."""
    return tiny_config(**LEAGUE | {"steps": 96} | changes)


def league_env(config: TrainConfig, checkpoints: Path = Path()) -> LeagueVecEnv:
    """The environment with fresh weights as the only past self."""
    versions = needed_versions(config)
    env = build_league_env(config, checkpoints, versions, torch.device("cpu"))
    torch.manual_seed(0)
    if env.league.past is not None:
        policy = untrained_policy(config.network, config.environment.action_table)
        env.league.past.add(checkpoint.step_name(0), policy.state_dict())
    return env


def play(env: LeagueVecEnv, steps: int, seed: int = 0) -> list[tuple[Any, ...]]:
    """What the learner's agents see and get, with random actions."""
    rng = np.random.default_rng(seed)
    seen: list[tuple[Any, ...]] = [(env.reset(),)]
    for _ in range(steps):
        actions = rng.integers(0, env.simulation.action_table.nvec, (env.num_envs, 5))
        seen.append(env.step(actions))
    return seen


@pytest.fixture(scope="module")
def league_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished tiny training with a league; not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "league"
    train(league_config(), path)
    return path


def test_pfsp_is_the_published_formula() -> None:
    shares = np.array([0.5, 0.9, 0.2])
    weights = [0.25, 0.01, 0.64]
    np.testing.assert_allclose(pfsp(shares), np.array(weights) / 0.9)
    assert pfsp([0.999, 0.999]).tolist() == [0.5, 0.5]


def test_results_fade_and_start_even() -> None:
    results = Results()
    assert results.share("1v1", ["a"]) == 0.5
    for _ in range(2):
        results.add("1v1", "a", own=True)
    results.add("1v1", "a", own=False)
    # The first goal has seen two newer ones, the second one
    scored = 0.99**2 + 0.99
    assert results.share("1v1", ["a"]) == pytest.approx((scored + 1) / (scored + 1 + 2))
    results.add("1v1", "b", own=False)
    assert results.share("1v1", ["a", "b"]) == pytest.approx((scored + 1) / (scored + 2 + 2))
    assert results.share("2v2", ["a"]) == 0.5
    again = Results()
    again.restore(json.loads(json.dumps(results.state())))
    assert again.state() == results.state()
    again.forget(["a"])
    assert again.share("1v1", ["a"]) == 0.5


def test_the_most_crowded_past_self_goes_and_the_ends_stay() -> None:
    assert most_crowded([0, 10, 12, 40]) == 1
    assert most_crowded([0, 10, 20]) == 1
    assert most_crowded([0, 10]) == 0


@pytest.mark.parametrize("mode", ["1v1", "2v2", "mixed"])
def test_sides_and_modes_are_balanced(mode: str) -> None:
    changes = {"environment.mode": mode, "environment.arenas": 48, "ppo.n_steps": 64}
    league = {"league.share": 0.5, "league.bots": {"chaser": 0.5, "random": 0.5}}
    config = load_preset("lucy-cpu", changes | league | {"ppo.batch_size": 96})
    cast = cast_games(config)
    assert len(cast.seats) == 24
    assert [seat.arena for seat in cast.seats] == list(range(24, 48))
    blue = {}
    for seat in cast.seats:
        team = cast.roles[seat.arena]
        half = len(team) // 2
        is_blue = bool(team[0] == LEARNER)
        kind = OPPONENT if seat.opponent == PAST else BOT
        wanted = [LEARNER] * half + [kind] * half
        assert team.tolist() == (wanted if is_blue else wanted[::-1])
        assert (seat.own.start < seat.others.start) == is_blue
        assert seat.own.stop - seat.own.start == int(seat.mode[0])
        blue.setdefault((seat.opponent, seat.mode), []).append(is_blue)
    arenas = {PAST: 12, "chaser": 6, "random": 6}
    modes = 3 if mode == "mixed" else 1
    assert {key: len(sides) for key, sides in blue.items()} == {
        (name, seat_mode): count // modes
        for name, count in arenas.items()
        for seat_mode in (("1v1", "2v2", "3v3") if mode == "mixed" else (mode,))
    }
    assert all(sum(sides) == len(sides) // 2 for sides in blue.values())
    assert (cast.roles[:24] == LEARNER).all()
    assert len(cast.learners) == config.n_learners
    theirs = np.concatenate([np.r_[seat.others] for seat in cast.seats])
    assert sorted([*cast.learners, *theirs]) == list(range(config.environment.n_agents))
    assert cast.notice == "League in 24 of 48 arenas: past 12, chaser 6, random 6."


def test_the_league_has_its_share_of_the_arenas() -> None:
    config = load_preset("lucy-cpu", {"league.share": 0.3})
    assert config.league_arenas == 58
    assert config.rollout_size == 64 * (384 - 58)
    mixed = {"environment.mode": "mixed", "environment.arenas": 96, "league.share": 0.3}
    config = load_preset("lucy-cpu", mixed)
    assert config.league_arenas == 29
    assert config.n_learners == len(cast_games(config).learners) == 4 * 96 - 59
    assert load_preset("lucy-cpu", {"league.share": 0.001}).league_arenas == 1
    assert load_preset("lucy-cpu").n_learners == 384


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"league.share": 1.5}, r"league.share: .*less than or equal to 1, got 1.5"),
        ({"league.past": 0.0}, r"league.past and .*not all 0, got past 0.0 and bots \{\}"),
        ({"league.bots": {"chaser": -1.0}}, r"got past 1.0 and bots \{'chaser': -1.0\}"),
    ],
)
def test_a_league_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_preset("lucy-cpu", changes)


def test_an_opponent_without_an_arena_or_a_name_is_refused() -> None:
    bots = {"chaser": 1.0, "random": 1.0, "idle": 1.0, "necto": 1.0}
    with pytest.raises(ConfigError, match=r"4 arenas are too few for \['past', 'chaser'"):
        cast_games(league_config(league__bots=bots))
    with pytest.raises(BotError, match="unknown bot 'chasr'"):
        league_env(league_config(league__bots={"chasr": 1.0}))


def test_only_the_learners_cars_are_seen_and_paid() -> None:
    config = league_config(environment__no_touch_timeout=0.5)
    env = league_env(config)
    learners = env.league.cast.learners
    assert env.num_envs == len(learners) == 4
    assert learners.tolist() == [0, 3, 4, 7]  # blue, orange, blue, orange
    ended = 0
    for step in play(env, 40)[1:]:
        arrays = env.simulation.arrays
        observations, rewards, dones, infos = step
        latest = env.simulation.arrays.observations[env._turn]
        assert observations.shape == (4, *env.observation_space.shape)  # type: ignore[misc]
        ended += dones.sum()
        assert [bool(info) for info in infos] == dones.tolist()
    np.testing.assert_array_equal(observations, latest[learners])
    np.testing.assert_array_equal(rewards, arrays.rewards[learners])
    assert ended
    env.close()


def test_the_buffer_holds_the_learners_samples_alone(tmp_path: Path) -> None:
    config = league_config()
    env = league_env(config)
    model = build_model(config, env, torch.device("cpu"))
    model.set_logger(Logger(None, []))
    seen, paid = [], []
    step_wait = env.step_wait

    def watched() -> Any:
        result = step_wait()
        arrays = env.simulation.arrays
        seen.append(arrays.observations[env._turn].copy())
        paid.append(arrays.rewards.copy())
        return result

    env.step_wait = watched  # type: ignore[method-assign]
    model.learn(config.rollout_size, log_interval=None)  # type: ignore[arg-type]
    buffer, own = model.rollout_buffer, env.league.cast.learners
    assert buffer.n_envs == len(own)
    np.testing.assert_array_equal(buffer.rewards, np.stack(paid)[:, own])
    # What was seen after a step is what the next action answered
    kept = buffer.observations[buffer.context :].numpy()
    np.testing.assert_array_equal(kept[1:], np.stack(seen)[:-1, own])
    assert model.num_timesteps == config.rollout_size == 32
    env.close()


def test_past_selves_act_as_their_checkpoints_do(league_run: Path) -> None:
    config = league_config(league__at_once=3, league__bots={})
    env = league_env(config, league_run / "checkpoints")
    past = env.league.past
    assert past is not None
    names = [checkpoint.step_name(steps) for steps in (32, 64, 96)]
    past.adopt(names)
    env.reset()
    past.playing = dict(enumerate([*names, names[0]]))
    past._networks |= {name: past._build(past._load(name), name) for name in names}
    past._rows = None
    observations = env.simulation.arrays.observations[env._turn]
    actions = np.full((8, 5), -1)
    past._random = _NoNoise()  # type: ignore[assignment]
    past.act(observations, actions)
    assert (actions[env.league.cast.learners] == -1).all()
    states = env.simulation.pool.states  # type: ignore[union-attr]
    for seat in env.league.cast.seats:
        bot = checkpoint_bot(
            league_run / "checkpoints" / past.playing[seat.arena], deterministic=True
        )
        controls = np.zeros((4, 2, 8), np.float32)
        bot.start(states, states.car_mask, [np.random.default_rng(0)] * 4)
        bot.act(states, controls)
        own = env.simulation.action_table.parse(actions[seat.others.start])
        np.testing.assert_array_equal(own, controls[seat.arena, seat.others.start % 2])
    env.close()


class _NoNoise:
    def gumbel(self, size: tuple[int, ...]) -> np.ndarray:
        return np.zeros(size)


def test_bots_play_and_any_number_of_processes_plays_the_same() -> None:
    changes = {"environment__mode": "mixed", "environment__arenas": 7, "league__past": 0.0}
    runs, sums = [], []
    for processes in (1, 3):  # of which the first has no arena of 3v3
        env = league_env(league_config(environment__processes=processes, **changes))
        runs.append(play(env, 30))
        stage = env.simulation.stage
        chaser = env.league.cast.arenas_of("chaser")
        states = stage.of(chaser).states
        if processes == 1:
            expected = stage
        for name, array in stage.of(chaser).states._asdict().items():
            other = getattr(expected.of(chaser).states, name)
            np.testing.assert_array_equal(array, other, err_msg=name)
        # The bot's cars do what it chose, as their latest action shows
        cars = states.car_mask & (env.league.cast.roles[chaser] == BOT)
        fresh = states.episode_start
        np.testing.assert_array_equal(
            states.previous_action[cars & ~fresh[:, None]],
            stage.controls[chaser][cars & ~fresh[:, None]],
        )
        assert (states.previous_action[cars & ~fresh[:, None]][:, 0] == 1).all()
        sums.append(env.simulation.collect())
        env.close()
    for run in runs[1:]:
        for ours, theirs in zip(run, runs[0], strict=True):
            for own, other in zip(ours[:3], theirs[:3], strict=True):
                np.testing.assert_array_equal(own, other)
    n_learners = len(env.league.cast.learners)
    for game, reward in sums:
        assert game.car_steps == reward.car_steps == 30 * n_learners
        for name, value in game._asdict().items():
            np.testing.assert_allclose(value, getattr(sums[0].game, name), err_msg=name)
        for name, value in reward._asdict().items():
            other = getattr(sums[0].reward, name)
            np.testing.assert_allclose(value, other, atol=1e-9, err_msg=name)


def test_statistics_are_of_the_learners_cars() -> None:
    env = league_env(league_config(environment__no_touch_timeout=300.0))
    rewards = np.concatenate([step[1] for step in play(env, 30)[1:]])
    game, reward = env.simulation.collect()
    assert reward.total[0] == pytest.approx(rewards.sum(), rel=1e-5)
    assert reward.total[1] == pytest.approx((rewards**2).sum(), rel=1e-5)
    assert reward.reward_sum.sum() == pytest.approx(rewards.sum(), rel=1e-5)
    assert game.car_steps == 30 * 4
    env.close()


def test_goals_are_told_apart_from_the_observation() -> None:
    env = league_env(league_config())
    env.reset()
    states = env.simulation.pool.states  # type: ignore[union-attr]
    states.ball_position[:, 1] = [5300, 5300, -5300, -5300]
    observation = LucyObservation(states, max_players=2)
    out = np.zeros((8, *observation.shape), np.float32)
    observation.build(states, slice(0, 4), out)
    ahead = ball_forward(out)
    np.testing.assert_allclose(ahead, [5300, -5300] * 2 + [-5300, 5300] * 2, rtol=1e-5)
    env.close()


def test_an_episode_counts_for_whom_it_was_played_against() -> None:
    env = league_env(league_config(league__refresh=100))
    env.reset()
    league = env.league
    past = league.past
    assert past is not None
    policy = untrained_policy(league_config().network, "kbm")
    past.add(checkpoint.step_name(500), policy.state_dict())
    before = dict(past.playing)
    assert set(before.values()) == {checkpoint.step_name(0)}  # their episodes go on
    past._hands["1v1"] = [checkpoint.step_name(500)]
    league.episode_over(0, True)
    league.episode_over(2, False)  # a chaser's
    league.episode_over(1, None)
    assert set(past.playing.values()) == {checkpoint.step_name(500)}
    results = league._results
    assert results.state()["1v1"] == {checkpoint.step_name(0): (1.0, 0.0), "chaser": (0.0, 1.0)}
    metrics = league.metrics()
    assert metrics == {
        "league/goals": 2.0,
        "league/chaser": pytest.approx(1 / 3),
        "league/past": pytest.approx(2 / 3),
        "league/hardest": 0.5,
    }
    assert league.metrics()["league/goals"] == 0
    env.close()


def test_a_league_run_keeps_its_past_selves_and_logs(league_run: Path) -> None:
    newest = checkpoint.load(league_run)
    members = newest.counters["league"]["past"]["members"]
    assert members == [checkpoint.step_name(steps) for steps in (0, 32, 64, 96)]
    folders = {path.name for path in checkpoint.step_folders(league_run / "checkpoints")}
    assert set(members) == folders
    line = read_metrics(league_run / "metrics.jsonl")[-1]
    assert {"league/goals", "league/chaser", "league/past", "league/hardest"} <= line.keys()


def test_past_selves_outlive_pruning_and_let_go_go(tmp_path: Path) -> None:
    config = league_config(
        steps=32 * 8, league__keep=3, league__refresh=2, checkpoints__keep_newest=1
    )
    train(config, tmp_path / "run")
    state = checkpoint.load(tmp_path / "run").counters["league"]["past"]
    members = state["members"]
    assert len(members) == 3
    assert members[0] == checkpoint.step_name(0)
    folders = {path.name for path in checkpoint.step_folders(tmp_path / "run" / "checkpoints")}
    assert folders == {*members, *state["playing"], checkpoint.step_name(256)}


def test_resuming_keeps_the_league(league_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(league_run, run)
    config = start_settings(run, "", {"steps": 128}, resume=True)
    saved = checkpoint.newest(run / "checkpoints")
    assert saved is not None
    env = league_env(config, run / "checkpoints")
    restore(build_model(config, env, torch.device("cpu")), env, config, saved)
    state = checkpoint.load(saved).counters["league"]
    assert json.loads(json.dumps(env.league.state())) == state
    env.close()
    train(config, run, resume=True)
    members = checkpoint.load(run).counters["league"]["past"]["members"]
    assert members == [checkpoint.step_name(steps) for steps in (0, 32, 64, 96, 128)]


def test_a_past_self_that_is_gone_is_done_without(
    league_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    shutil.copytree(league_run, run)
    for steps in (0, 32, 64):
        shutil.rmtree(run / "checkpoints" / checkpoint.step_name(steps))
    train(start_settings(run, "", {"steps": 128}, resume=True), run, resume=True)
    members = checkpoint.load(run).counters["league"]["past"]["members"]
    assert members[-2:] == [checkpoint.step_name(96), checkpoint.step_name(128)]
    assert "The league goes on without a past self" in caplog.text


def test_a_run_can_join_a_league_later(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    changes = {"league.share": 0.5, "steps": 240, "ppo.batch_size": 16}
    train(start_settings(run, "", changes, resume=True), run, resume=True)
    members = checkpoint.load(run).counters["league"]["past"]["members"]
    assert members == [checkpoint.step_name(steps) for steps in (64, 128, 192)]


def test_two_league_trainings_of_one_seed_are_equal(league_run: Path, tmp_path: Path) -> None:
    train(league_config(environment__processes=2), tmp_path / "again")
    ours, theirs = (checkpoint.load(run) for run in (league_run, tmp_path / "again"))
    for name, tensor in ours.policy.items():
        assert torch.equal(tensor, theirs.policy[name]), name
    assert ours.counters == theirs.counters


def test_a_league_trains_with_every_auxiliary_task_in_mixed_sizes(tmp_path: Path) -> None:
    tasks = {f"auxiliary__{name}": 1.0 for name in ("reward_prediction", "state_representation")}
    config = league_config(
        environment__mode="mixed",
        environment__arenas=6,
        auxiliary__segment=4,
        ppo__batch_size=12,
        steps=12 * 8,
        **tasks,
    )
    train(config, tmp_path / "run")
    line = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]
    assert {"league/1v1/chaser", "league/2v2/past", "league/3v3/hardest"} <= line.keys()
    assert "aux/reward_prediction_loss" in line


def test_nobody_left_to_play_is_an_error(league_run: Path) -> None:
    env = league_env(league_config(), league_run / "nowhere")
    past = env.league.past
    assert past is not None
    past._networks.clear()
    with pytest.raises(CheckpointError, match="nowhere"):
        past.adopt([checkpoint.step_name(7)])
    env.close()


def test_the_chaser_is_the_chaser() -> None:
    env = league_env(league_config(league__past=0.0))
    env.reset()
    states = env.simulation.pool.states  # type: ignore[union-attr]
    bot, controls = ChaserBot(), np.zeros((4, 2, 8), np.float32)
    bot.start(states, states.car_mask, [])
    bot.act(states, controls)
    env.step(np.zeros((4, 5), np.int64))
    cars = env.league.cast.roles == BOT
    np.testing.assert_array_equal(env.simulation.stage.controls[cars], controls[cars])
    env.close()
