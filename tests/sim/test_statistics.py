"""What the trainer shows of the games, counted again from the states."""

from collections.abc import Callable

import numpy as np
import pytest

from lucy.sim.state import GameStates, allocate, select, team_slots
from lucy.sim.statistics import GameStatistics, game_means

MODES = ["1v1", "3v3", "2v2"]


@pytest.fixture
def played(random_states: Callable) -> list[GameStates]:
    rng = np.random.default_rng(0)
    return [random_states(rng, MODES) for _ in range(12)]


def collect(played: list[GameStates], pieces: list[slice]) -> dict[str, float]:
    statistics = GameStatistics(played[0])
    for states in played:
        for rows in pieces:
            statistics.update(select(states, rows), rows)
    return game_means(statistics.collect())


def test_means_are_those_of_the_states(played: list[GameStates]) -> None:
    means = collect(played, [slice(0, 3)])
    mask = played[0].car_mask
    cars = GameStates(*(np.array(field) for field in zip(*played, strict=True)))
    touched, demoed = cars.car_ball_touched, cars.car_is_demoed
    ball_speed = np.linalg.norm(cars.ball_linear_velocity, axis=-1)
    goal = np.abs(cars.ball_position[..., 1]) > 5215.5
    goal_back = np.array([0, 6000, 321.3875])
    goal_back = goal_back * np.where(cars.car_team[0] == 0, 1, -1)[:, None] ** [0, 1, 0]
    way = goal_back - cars.ball_position[:, :, None]
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    toward = (way * cars.ball_linear_velocity[:, :, None]).sum(axis=-1)

    def onsets_per_minute(flag: np.ndarray) -> float:
        onsets = flag & ~np.concatenate([np.zeros_like(flag[:1]), flag[:-1]])
        return onsets[:, mask].sum() / (mask.sum() * len(played)) * 15 * 60

    wanted = {
        "touches_per_minute": onsets_per_minute(touched),
        "demos_per_minute": onsets_per_minute(demoed),
        "touch_ratio": touched[:, mask].mean(),
        "in_air_ratio": (~cars.car_on_ground[:, mask]).mean(),
        "speed": np.linalg.norm(cars.car_linear_velocity[:, mask], axis=-1).mean(),
        "boost": cars.car_boost[:, mask].mean(),
        "ball_speed": ball_speed.mean(),
        "touched_ball_to_goal": toward[:, mask][touched[:, mask]].mean(),
        "goals_per_minute": goal.mean() * 15 * 60,
        "goal_speed": ball_speed[goal].mean(),
    }
    assert means == pytest.approx(wanted, rel=1e-4)


def test_pieces_add_up_to_the_whole(played: list[GameStates]) -> None:
    whole = collect(played, [slice(0, 3)])
    assert collect(played, [slice(0, 1), slice(1, 3)]) == pytest.approx(whole)


def test_collect_starts_again(played: list[GameStates]) -> None:
    statistics = GameStatistics(played[0])
    statistics.update(played[0], slice(0, 3))
    assert game_means(statistics.collect())
    assert game_means(statistics.collect()) == {}


def test_no_goal_and_no_touch_divide_nothing_by_zero() -> None:
    states = allocate(np.ones((2, 2), np.bool_), team_slots(1))
    statistics = GameStatistics(states)
    statistics.update(states, slice(0, 2))
    means = game_means(statistics.collect())
    assert means["goal_speed"] == means["touched_ball_to_goal"] == 0


def test_cars_that_are_not_counted_change_nothing(played: list[GameStates]) -> None:
    mask = played[0].car_mask
    counted = mask & (played[0].car_team == 1)
    some, others = GameStatistics(played[0]), GameStatistics(played[0])
    some.count(counted)
    others.count(mask & ~counted)
    everyone = GameStatistics(played[0])
    for states in played:
        for statistics in (some, others, everyone):
            statistics.update(states, slice(0, 3))
    one, rest, whole = (statistics.collect() for statistics in (some, others, everyone))
    of_arenas = {"steps", "ball_speed", "goals", "goal_speed"}
    for name, value in whole._asdict().items():
        parts = getattr(one, name), getattr(rest, name)
        assert parts[0] > 0 or name in of_arenas, name
        assert value == pytest.approx(parts[0] if name in of_arenas else sum(parts)), name
