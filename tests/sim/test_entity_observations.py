"""Necto's and Nexto's observations against the published ones, plain twins and themselves."""

from collections.abc import Callable

import numpy as np
import pytest

from lucy.sim.constants import BOOST_PAD_POSITIONS
from lucy.sim.observations import NectoObservation, NextoObservation, Observation
from lucy.sim.state import GameStates, allocate, select, team_slots

MIXED = ["1v1", "3v3", "2v2"]
KINDS = [NectoObservation, NextoObservation]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=["necto", "nexto"])
VECTORS = (5, 8, 11, 14, 17)
TIMER, MASK = 21, 32


def build(observation: Observation, states: GameStates) -> np.ndarray:
    out = np.full((int(states.car_mask.sum()), *observation.shape), np.nan, np.float32)
    observation.build(states, slice(0, len(states.car_mask)), out)
    return out


def update(observation: Observation, states: GameStates) -> None:
    observation.update(states, slice(0, len(states.car_mask)))


@each_kind
def test_golden(kind: type[Observation], golden) -> None:
    states = golden.states
    observation = kind(select(states, slice(0, 1)))
    name = kind.version.removesuffix("-1")
    wanted = dict(zip(golden["obs_step"].tolist(), golden[f"{name}_obs"], strict=True))
    for t in range(len(states.episode_start)):
        now = select(states, slice(t, t + 1))
        update(observation, now)
        if t in wanted:
            np.testing.assert_allclose(build(observation, now), wanted.pop(t), atol=1e-4)
    assert not wanted


def plain_rows(states: GameStates, a: int, c: int) -> dict[str, np.ndarray]:
    """Query, ball, players and pads as car c in arena a sees them, absolute, without timers."""
    flip = np.array([-1, -1, 1]) if states.car_team[c] == 1 else np.ones(3)
    cars = np.flatnonzero(states.car_mask[a])
    players = np.zeros((6, 33))
    for row, car in zip(players, cars, strict=False):
        mate = states.car_team[car] == states.car_team[c]
        row[:3] = car == c, mate, not mate
        row[5:8] = states.car_position[a, car] * flip / 2300
        row[8:11] = states.car_linear_velocity[a, car] * flip / 2300
        row[11:14] = states.car_forward[a, car] * flip
        row[14:17] = states.car_up[a, car] * flip
        row[17:20] = states.car_angular_velocity[a, car] * flip / 5.5
        row[20] = states.car_boost[a, car]
        row[22:24] = states.car_on_ground[a, car], states.car_has_flip[a, car]
    players[len(cars) :, MASK] = 1
    ball = np.zeros((1, 33))
    ball[0, 3] = 1
    ball[0, 5:8] = states.ball_position[a] * flip / 2300
    ball[0, 8:11] = states.ball_linear_velocity[a] * flip / 2300
    ball[0, 17:20] = states.ball_angular_velocity[a] * flip / 5.5
    pads = np.zeros((34, 33))
    pads[:, 4] = 1
    pads[:, 5:8] = BOOST_PAD_POSITIONS * flip / 2300
    pads[:, 20] = np.where(BOOST_PAD_POSITIONS[:, 2] == 73, 1, 0.12)
    query = players[[cars.tolist().index(c)]].copy()
    query[0, 24:32] = states.previous_action[a, c]
    return {"query": query, "ball": ball, "players": players, "pads": pads}


def plain_necto(observation: NectoObservation, states: GameStates, a: int, c: int) -> np.ndarray:
    rows = plain_rows(states, a, c)
    cars = np.flatnonzero(states.car_mask[a])
    rows["players"][: len(cars), TIMER] = observation.demo_timers[a, cars]
    rows["query"][0, TIMER] = observation.demo_timers[a, c]
    rows["pads"][:, TIMER] = observation.pad_timers[a]
    out = np.concatenate([rows[name] for name in ("query", "ball", "players", "pads")])
    out[1:, 5:11] -= out[0, 5:11]
    return out


def plain_nexto(observation: NextoObservation, states: GameStates, a: int, c: int) -> np.ndarray:
    rows = plain_rows(states, a, c)
    cars = np.flatnonzero(states.car_mask[a])
    rows["players"][: len(cars), TIMER] = states.car_is_demoed[a, cars]
    rows["query"][0, TIMER] = states.car_is_demoed[a, c]
    rows["pads"][:, TIMER] = states.boost_pad_active[a]
    out = np.concatenate([rows[name] for name in ("query", "players", "ball", "pads")])
    out[1:, 5:8] -= out[0, 5:8]
    angle = np.arctan2(out[0, 11], out[0, 12])
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    for at in VECTORS:
        out[1:, at : at + 3] = out[1:, at : at + 3] @ turn
    return out


@pytest.mark.parametrize("modes", [["1v1"] * 3, ["2v2"] * 2, ["3v3"], MIXED], ids="-".join)
@pytest.mark.parametrize(
    ("kind", "twin"),
    [(NectoObservation, plain_necto), (NextoObservation, plain_nexto)],
    ids=["necto", "nexto"],
)
def test_equals_plain_twin(
    kind: type[Observation], twin: Callable, modes: list[str], random_states: Callable
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        states = random_states(rng, modes)
        observation = kind(states)
        update(observation, states)
        wanted = [twin(observation, states, a, c) for a, c in np.argwhere(states.car_mask)]
        np.testing.assert_allclose(build(observation, states), wanted, atol=1e-5)


def mirrored(states: GameStates) -> GameStates:
    """The same game after half a turn about z with the teams swapped."""
    n = len(states.car_team) // 2
    seen = {}
    for name, array in states._asdict().items():
        if name.startswith("car_") and name != "car_team":
            array = np.concatenate([array[:, n:], array[:, :n]], axis=1)
        if name == "previous_action":
            array = np.concatenate([array[:, n:], array[:, :n]], axis=1)
        if name == "boost_pad_active":
            array = array[:, opposite_pads()]
        vectors = ("position", "velocity", "forward", "right", "up")
        seen[name] = array * np.float32([-1, -1, 1]) if name.endswith(vectors) else array
    return GameStates(**seen)


def opposite_pads() -> np.ndarray:
    """For each pad the index of the one where half a turn takes it."""
    turned = BOOST_PAD_POSITIONS * (-1, -1, 1)
    return np.linalg.norm(turned[:, None] - BOOST_PAD_POSITIONS, axis=-1).argmin(axis=1)


@each_kind
@pytest.mark.parametrize("mode", ["1v1", "2v2", "3v3"])
def test_blue_sees_what_orange_sees_in_the_mirror(
    kind: type[Observation], mode: str, random_states: Callable
) -> None:
    states = random_states(np.random.default_rng(1), [mode] * 4)
    n = len(states.car_team) // 2
    sides = []
    for seen in states, mirrored(states):
        observation = kind(states)
        update(observation, seen)
        sides.append(build(observation, seen).reshape(4, 2 * n, 42, 33))
    blue, orange = sides[0][:, :n], sides[1][:, n:]
    # Blue rows come first for both, so in the mirror the teams' rows and the pads change places
    first = 2 if kind is NectoObservation else 1
    order = np.arange(42)
    order[first : first + 2 * n] = np.roll(order[first : first + 2 * n], n)
    order[8:] = 8 + opposite_pads()
    # One pad of RLGym's list lies 2 uu out of the mirror
    np.testing.assert_allclose(orange, blue[:, :, order], atol=2 / 2300 + 1e-5)


@each_kind
@pytest.mark.parametrize(("mode", "cars"), [("1v1", 2), ("2v2", 4), ("3v3", 6)])
def test_fewer_player_rows_are_a_cut_of_the_full_matrix(
    kind: type[Observation], mode: str, cars: int, random_states: Callable
) -> None:
    states = random_states(np.random.default_rng(2), [mode] * 3)
    short, full = kind(states, cars), kind(states)
    assert short.shape == (36 + cars, 33)
    for observation in short, full:
        update(observation, states)
    there = build(full, states)[0, :, MASK] == 0
    np.testing.assert_array_equal(build(short, states), build(full, states)[:, there])


@each_kind
def test_too_few_player_rows_raise(kind: type[Observation]) -> None:
    states = allocate(np.ones((2, 6), np.bool_), team_slots(3))
    with pytest.raises(ValueError, match="an arena has 6 cars, the observation 5 rows"):
        kind(states, max_players=5)


def test_a_car_that_points_straight_up_is_not_turned(random_states: Callable) -> None:
    states = random_states(np.random.default_rng(3), ["1v1"])
    states.car_forward[:] = 0, 0, 1
    seen = build(NextoObservation(states), states)
    assert np.isfinite(seen).all()
    way = (states.ball_position[0] - states.car_position[0, 0]) / 2300
    np.testing.assert_allclose(seen[0, 7, 5:8], way, atol=1e-5)


def timers(active: list[bool], demoed: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """What Necto sees of a small pad, a big pad and a car, step by step."""
    states = allocate(np.ones((1, 2), np.bool_), team_slots(1))
    observation = NectoObservation(states)
    pads, cars = [], []
    for step in range(len(active)):
        states.episode_start[:] = step == 0
        states.boost_pad_active[:] = active[step]
        states.car_is_demoed[0, 1] = demoed[step]
        update(observation, states)
        seen = build(observation, states)[0]
        pads.append(seen[[8, 11], TIMER])
        cars.append(seen[[2, 3], TIMER])
    return np.array(pads), np.array(cars)


def test_a_pads_timer_starts_again_and_again_while_the_pad_is_there() -> None:
    pads, _ = timers([True] * 200, [False] * 200)
    # By the rounding of the published float64 sums: zero counts for 0.4, not for 1.0
    small, big = 0.4 - np.arange(61) / 150, 1 - np.arange(150) / 150
    np.testing.assert_allclose(pads[:, 0], np.resize(small, 200), atol=1e-6)
    np.testing.assert_allclose(pads[:, 1], np.resize(big, 200), atol=1e-6)


def test_a_pads_timer_starts_when_the_pad_comes_back() -> None:
    pads, _ = timers([True] * 3 + [False] * 5 + [True] * 2, [False] * 10)
    np.testing.assert_array_equal(pads[3:8], 0)
    np.testing.assert_allclose(pads[8:], [[0.4, 1], [0.4 - 1 / 150, 1 - 1 / 150]], atol=1e-6)


def test_a_wrecks_timer_runs_down_and_the_other_car_has_none() -> None:
    demoed = [False] * 2 + [True] * 45 + [False] * 2
    _, cars = timers([True] * 49, demoed)
    np.testing.assert_array_equal(cars[:, 0], 0)
    np.testing.assert_allclose(cars[2:47, 1], 0.3 - np.arange(45) / 150, atol=1e-6)
    np.testing.assert_array_equal(cars[[0, 1, 47, 48], 1], 0)


def test_an_episodes_start_sets_the_timers_of_its_arena_back(random_states: Callable) -> None:
    states = random_states(np.random.default_rng(4), ["1v1"] * 3)
    states.boost_pad_active[:] = True
    observation = NectoObservation(states)
    for step in range(3):
        states.episode_start[1] = step == 2
        update(observation, states)
    fresh = NectoObservation(states)
    update(fresh, states)
    np.testing.assert_array_equal(observation.pad_timers[1], fresh.pad_timers[1])
    assert (observation.pad_timers[[0, 2]] < fresh.pad_timers[[0, 2]]).all()


@each_kind
def test_arenas_in_slices_give_the_rows_of_the_whole(
    kind: type[Observation], random_states: Callable
) -> None:
    rng = np.random.default_rng(6)
    whole, split = (kind(random_states(rng, MIXED)) for _ in range(2))
    parts = np.zeros((12, 42, 33), np.float32)
    for _ in range(3):
        states = random_states(rng, MIXED)
        update(whole, states)
        for rows in (slice(2, 3), slice(0, 2)):
            split.update(select(states, rows), rows)
            split.build(select(states, rows), rows, parts[split.agents(rows)])
        np.testing.assert_array_equal(parts, build(whole, states))
