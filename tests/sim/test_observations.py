"""The Lucy observation against the published one, a plain twin and its own symmetries."""

from collections.abc import Callable

import numpy as np
import pytest

from lucy.sim.observations import OBSERVATIONS, LucyObservation, observation_kind
from lucy.sim.state import GameStates, allocate, select, team_slots

MIXED = ["1v1", "3v3", "2v2"]


def build(observation: LucyObservation, states: GameStates) -> np.ndarray:
    out = np.full((int(states.car_mask.sum()), *observation.shape), np.nan, np.float32)
    observation.build(states, slice(0, len(states.car_mask)), out)
    return out


def push(observation: LucyObservation, states: GameStates) -> None:
    observation.update(states, slice(0, len(states.car_mask)))


def test_golden(golden) -> None:
    states = golden.states
    observation = LucyObservation(select(states, slice(0, 1)))
    wanted = dict(zip(golden["obs_step"].tolist(), golden["lucy_obs"], strict=True))
    for t in range(len(states.episode_start)):
        now = select(states, slice(t, t + 1))
        push(observation, now)
        if t in wanted:
            np.testing.assert_allclose(build(observation, now), wanted.pop(t), atol=1e-4)
    assert not wanted


def plain_observation(states: GameStates, actions: np.ndarray, a: int, c: int) -> np.ndarray:
    """The matrix of car c in arena a, written from REFERENCE.md and the docstring."""
    flip = np.array([-1, -1, 1]) if states.car_team[c] == 1 else np.ones(3)

    def physics(row: np.ndarray, position, velocity, spin) -> None:
        row[4:7] = position * flip / 2300
        row[7:10] = velocity * flip / 2300
        row[10:13] = spin * flip / 5.5

    def car_features(row: np.ndarray, car: int) -> None:
        physics(
            row,
            states.car_position[a, car],
            states.car_linear_velocity[a, car],
            states.car_angular_velocity[a, car],
        )
        row[13:16] = states.car_forward[a, car] * flip
        row[16:19] = states.car_up[a, car] * flip
        row[19] = states.car_boost[a, car]
        row[20] = states.car_on_ground[a, car]
        row[21] = states.car_has_flip[a, car]
        row[22] = states.car_is_demoed[a, car]

    out = np.zeros((8, 64))
    out[0, [0, 1]] = 1
    car_features(out[0], c)
    out[0, 23:63] = actions[a, c].ravel()
    out[1, 3] = 1
    physics(
        out[1],
        states.ball_position[a],
        states.ball_linear_velocity[a],
        states.ball_angular_velocity[a],
    )
    cars = np.flatnonzero(states.car_mask[a])
    for row, car in zip(out[2:], cars, strict=False):
        mate = states.car_team[car] == states.car_team[c]
        row[:3] = car == c, mate, not mate
        car_features(row, car)
    out[2 + len(cars) :, 63] = 1
    out[1:, 4:10] -= out[0, 4:10]
    return out


@pytest.mark.parametrize("modes", [["1v1"] * 3, ["2v2"] * 2, ["3v3"], MIXED], ids="-".join)
def test_equals_plain_twin(modes: list[str], random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        states = random_states(rng, modes)
        observation = LucyObservation(states)
        observation.actions[:] = rng.normal(size=observation.actions.shape)
        twin = [
            plain_observation(states, observation.actions, a, c)
            for a, c in np.argwhere(states.car_mask)
        ]
        np.testing.assert_allclose(build(observation, states), twin, atol=1e-5)


def mirrored(states: GameStates) -> GameStates:
    """The same game after half a turn about z with the teams swapped."""
    n = len(states.car_team) // 2
    seen = {}
    for name, array in states._asdict().items():
        if name.startswith("car_") and name != "car_team":
            array = np.concatenate([array[:, n:], array[:, :n]], axis=1)
        vectors = ("position", "velocity", "forward", "right", "up")
        seen[name] = array * np.float32([-1, -1, 1]) if name.endswith(vectors) else array
    return GameStates(**seen)


@pytest.mark.parametrize("mode", ["1v1", "2v2", "3v3"])
def test_blue_sees_what_orange_sees_in_the_mirror(mode: str, random_states: Callable) -> None:
    states = random_states(np.random.default_rng(1), [mode] * 4)
    observation = LucyObservation(states)
    n = len(states.car_team) // 2
    blue = build(observation, states).reshape(4, 2 * n, 8, 64)[:, :n]
    orange = build(observation, mirrored(states)).reshape(4, 2 * n, 8, 64)[:, n:]
    # Blue rows come first for both, so in the mirror the teams' rows change places
    rows = [0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n), *range(2 + 2 * n, 8)]
    np.testing.assert_array_equal(orange, blue[:, :, rows])


@pytest.mark.parametrize(("mode", "cars"), [("1v1", 2), ("2v2", 4), ("3v3", 6)])
def test_fewer_player_rows_are_a_cut_of_the_full_matrix(
    mode: str, cars: int, random_states: Callable
) -> None:
    states = random_states(np.random.default_rng(2), [mode] * 3)
    for players in range(cars, 7):
        short = LucyObservation(states, players)
        assert short.shape == (2 + players, 64)
        full = build(LucyObservation(states), states)
        np.testing.assert_array_equal(build(short, states), full[:, : 2 + players])


def test_too_few_player_rows_raise() -> None:
    states = allocate(np.ones((2, 6), np.bool_), team_slots(3))
    with pytest.raises(ValueError, match="an arena has 6 cars, the observation 5 rows"):
        LucyObservation(states, max_players=5)


def test_action_stack_has_the_newest_first_and_forgets_the_sixth(random_states: Callable) -> None:
    states = random_states(np.random.default_rng(3), ["2v2"])
    observation = LucyObservation(states)
    for step in range(1, 8):
        states.previous_action[:] = step
        push(observation, states)
    stack = build(observation, states)[:, 0, 23:63].reshape(4, 5, 8)
    np.testing.assert_array_equal(stack, np.broadcast_to([[7], [6], [5], [4], [3]], (4, 5, 8)))


@pytest.mark.parametrize("length", range(6))
def test_a_shorter_stack_leaves_the_oldest_actions_out(
    length: int, random_states: Callable
) -> None:
    states = random_states(np.random.default_rng(3), MIXED)
    short, full = LucyObservation.with_stack(length)(states), LucyObservation(states)
    assert short.shape == (8, 24 + 8 * length)
    for step in range(1, 8):
        states.previous_action[:] = step
        push(short, states)
        push(full, states)
    shown, whole = build(short, states), build(full, states)
    np.testing.assert_array_equal(shown[:, :, :-1], whole[:, :, : 23 + 8 * length])
    np.testing.assert_array_equal(shown[:, :, -1], whole[:, :, -1])


def test_observations_are_chosen_by_name() -> None:
    assert observation_kind("lucy") is LucyObservation
    assert observation_kind("lucy", 2) is observation_kind("lucy", 2)
    assert observation_kind("necto") is OBSERVATIONS["necto"]
    versions = [observation_kind("lucy", length).version for length in range(6)]
    assert versions[5] == LucyObservation.version
    assert len(set(versions)) == 6
    for (name, length), message in {
        ("nekto", 5): "unknown observation 'nekto': expected one of .*'necto'",
        ("lucy", 6): "a stack of 6 actions: expected 0 to 5",
        ("necto", 0): "a stack of 0 actions is for Lucy's observation alone: leave it out with",
    }.items():
        with pytest.raises(ValueError, match=message):
            observation_kind(name, length)


def test_episode_start_clears_the_stack_of_its_arena_only(random_states: Callable) -> None:
    states = random_states(np.random.default_rng(4), ["1v1"] * 3)
    observation = LucyObservation(states)
    push(observation, states)
    states.episode_start[1] = True
    push(observation, states)
    assert (observation.actions[1] == 0).all()
    for arena in (0, 2):
        pushed_twice = observation.actions[arena, :, :2]
        np.testing.assert_array_equal(pushed_twice[:, 0], states.previous_action[arena])
        np.testing.assert_array_equal(pushed_twice[:, 1], states.previous_action[arena])


def test_agents_are_numbered_arena_by_arena(random_states: Callable) -> None:
    observation = LucyObservation(random_states(np.random.default_rng(5), MIXED))
    wanted = [slice(0, 2), slice(2, 8), slice(8, 12)]
    assert [observation.agents(slice(a, a + 1)) for a in range(3)] == wanted
    assert observation.agents(slice(1, 3)) == slice(2, 12)


def test_arenas_in_slices_give_the_rows_of_the_whole(random_states: Callable) -> None:
    rng = np.random.default_rng(6)
    states = random_states(rng, MIXED)
    whole, split = LucyObservation(states), LucyObservation(states)
    parts = np.zeros((12, 8, 64), np.float32)
    for _ in range(3):
        states.previous_action[:] = rng.normal(size=states.previous_action.shape)
        push(whole, states)
        for rows in (slice(0, 1), slice(1, 3)):
            split.update(select(states, rows), rows)
            split.build(select(states, rows), rows, parts[split.agents(rows)])
        np.testing.assert_array_equal(parts, build(whole, states))
