"""When episodes end, and whether that counts as an end or as a cut."""

from collections.abc import Callable

import numpy as np
import pytest

from lucy.sim.constants import STEPS_PER_SECOND
from lucy.sim.state import GameStates, allocate, select, team_slots
from lucy.sim.termination import RUNNING, TERMINATED, TRUNCATED, EpisodeEnds

ALL = slice(0, 1)


@pytest.fixture
def states() -> GameStates:
    return allocate(np.ones((1, 4), np.bool_), team_slots(2))


def first_end(ends: EpisodeEnds, states: GameStates, steps: int = 100) -> int | None:
    """The number of the first step after which the episode no longer runs."""
    return next((n for n in range(1, steps) if ends.update(states, ALL)[0] != RUNNING), None)


@pytest.mark.parametrize("side", [-1, 1])
def test_goal_terminates(states: GameStates, side: int) -> None:
    ends = EpisodeEnds(1)
    states.ball_position[0, 1] = side * 5215.0
    assert ends.update(states, ALL)[0] == RUNNING
    states.ball_position[0, 1] = side * 5216.0
    assert ends.update(states, ALL)[0] == TERMINATED


def test_timeout_truncates_on_its_step(states: GameStates) -> None:
    states.car_ball_touched[:] = True
    ends = EpisodeEnds(1, timeout=20 / STEPS_PER_SECOND)
    assert first_end(ends, states) == 20
    assert ends.ended[0] == TRUNCATED


def test_no_touch_timeout_truncates_on_its_step(states: GameStates) -> None:
    ends = EpisodeEnds(1, no_touch_timeout=12 / STEPS_PER_SECOND)
    assert first_end(ends, states) == 12
    assert ends.ended[0] == TRUNCATED


@pytest.mark.parametrize("toucher", range(4))
def test_touch_by_any_car_starts_the_no_touch_clock_again(states: GameStates, toucher: int) -> None:
    ends = EpisodeEnds(1, no_touch_timeout=12 / STEPS_PER_SECOND)
    assert first_end(ends, states, steps=11) is None
    states.car_ball_touched[0, toucher] = True
    assert ends.update(states, ALL)[0] == RUNNING
    states.car_ball_touched[0, toucher] = False
    assert first_end(ends, states) == 12


def test_goal_on_the_last_step_is_a_goal(states: GameStates) -> None:
    ends = EpisodeEnds(1, timeout=5 / STEPS_PER_SECOND, no_touch_timeout=5 / STEPS_PER_SECOND)
    assert first_end(ends, states, steps=5) is None
    states.ball_position[0, 1] = 5300.0
    assert ends.update(states, ALL)[0] == TERMINATED


def test_defaults_are_the_published_300_and_45_seconds(states: GameStates) -> None:
    assert first_end(EpisodeEnds(1), states, steps=10_000) == 45 * 15
    states.car_ball_touched[:] = True
    assert first_end(EpisodeEnds(1), states, steps=10_000) == 300 * 15


def test_reset_starts_both_clocks_of_one_arena_only() -> None:
    states = allocate(np.ones((2, 2), np.bool_), team_slots(1))
    rows = slice(0, 2)
    for touched in (False, True):
        states.car_ball_touched[:] = touched
        ends = EpisodeEnds(2, timeout=10 / STEPS_PER_SECOND, no_touch_timeout=10 / STEPS_PER_SECOND)
        for _ in range(9):
            ends.update(states, rows)
        ends.reset(0)
        assert ends.update(states, rows).tolist() == [RUNNING, TRUNCATED]


def test_arenas_in_slices_end_as_in_one(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    whole, split = (EpisodeEnds(5, timeout=2, no_touch_timeout=0.3) for _ in range(2))
    for _ in range(20):
        states = random_states(rng, ["1v1", "2v2", "1v1", "3v3", "1v1"])
        states.car_ball_touched[:] &= states.car_mask  # empty slots are zero, touches too
        states.car_ball_touched[:] &= rng.random(states.car_mask.shape) < 0.3
        want = whole.update(states, slice(0, 5)).copy()
        for rows in (slice(0, 2), slice(2, 5)):
            split.update(select(states, rows), rows)
        np.testing.assert_array_equal(split.ended, want)
        for arena in np.flatnonzero(want):
            whole.reset(arena)
            split.reset(arena)
