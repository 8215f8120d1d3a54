"""Initial states: legal, as the game has them, and drawn in the asked proportions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rlgym.rocket_league.math import euler_to_rotation
from rlgym.rocket_league.state_mutators import KickoffMutator

from lucy.sim.constants import (
    BACK_WALL_Y,
    BALL_MAX_SPEED,
    CAR_MAX_ANGULAR_SPEED,
    CAR_MAX_SPEED,
    CEILING_Z,
    CORNER_CUT,
    GOAL_HALF_WIDTH,
    N_BOOST_PADS,
    SIDE_WALL_X,
)
from lucy.sim.resets import SOURCES, InitialState, rotation, weighted_mix

seeds = st.integers(0, 2**32 - 1)
team_sizes = st.integers(1, 3)
every_source = pytest.mark.parametrize("name", SOURCES)


def assert_inside(points: np.ndarray, margin: float) -> None:
    x, y, z = np.abs(points[..., 0]), np.abs(points[..., 1]), points[..., 2]
    assert (x <= SIDE_WALL_X - margin).all()
    assert (y <= BACK_WALL_Y - margin).all()
    assert (x + y <= SIDE_WALL_X + BACK_WALL_Y - CORNER_CUT - margin).all()
    assert (z > 0).all()
    assert (z <= CEILING_Z - margin).all()


@every_source
@given(seed=seeds, team_size=team_sizes)
@settings(deadline=None, max_examples=60)
def test_source_draws_a_legal_state(name: str, seed: int, team_size: int) -> None:
    state = SOURCES[name](np.random.default_rng(seed), team_size)
    cars = 2 * team_size
    shapes = [(3,)] * 3 + [(cars, 3)] * 3 + [(cars, 3, 3), (cars,), (cars,), (N_BOOST_PADS,)]
    assert [np.shape(field) for field in state] == shapes
    assert all(np.isfinite(field).all() for field in state)
    assert_inside(state.ball_position, margin=91)
    assert_inside(state.car_position, margin=17)
    assert np.linalg.norm(state.ball_linear_velocity) <= BALL_MAX_SPEED
    assert np.linalg.norm(state.ball_angular_velocity) <= 6
    assert (np.linalg.norm(state.car_linear_velocity, axis=-1) <= CAR_MAX_SPEED + 0.01).all()
    spin = np.linalg.norm(state.car_angular_velocity, axis=-1)
    assert (spin <= CAR_MAX_ANGULAR_SPEED + 0.01).all()
    assert ((state.car_boost >= 0) & (state.car_boost <= 1)).all()
    assert (state.boost_pad_cooldown >= 0).all()


@every_source
@given(seed=seeds)
@settings(deadline=None, max_examples=40)
def test_orientations_are_left_handed_unit_axes(name: str, seed: int) -> None:
    axes = SOURCES[name](np.random.default_rng(seed), 3).car_rotation.astype(np.float64)
    np.testing.assert_allclose(axes @ axes.swapaxes(1, 2), np.tile(np.eye(3), (6, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(np.cross(axes[:, 0], axes[:, 1]), axes[:, 2], atol=1e-6)


@every_source
def test_grounded_cars_stand_on_their_wheels(name: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        state = SOURCES[name](rng, 3)
        grounded = state.car_on_ground
        assert (state.car_position[grounded, 2] == 17).all()
        assert (state.car_rotation[grounded, 2] == (0, 0, 1)).all()
        assert (state.car_linear_velocity[grounded, 2] == 0).all()


@every_source
def test_same_seed_draws_the_same_and_another_another(name: str) -> None:
    def draw(seed: int) -> np.ndarray:
        state = SOURCES[name](np.random.default_rng(seed), 2)
        return np.concatenate([np.ravel(field) for field in state])

    np.testing.assert_array_equal(draw(3), draw(3))
    # Two kickoffs may agree by chance, eight hardly
    assert any((draw(3) != draw(seed)).any() for seed in range(4, 12))


@given(*[st.floats(-np.pi, np.pi)] * 3)
@settings(deadline=None)
def test_rotation_is_rlgyms(yaw: float, pitch: float, roll: float) -> None:
    theirs = euler_to_rotation(np.array([pitch, yaw, roll])).T
    ours = rotation(np.array([yaw]), np.array([pitch]), np.array([roll]))[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def kickoffs(team_size: int, n: int = 60) -> list[InitialState]:
    rng = np.random.default_rng(0)
    return [SOURCES["kickoff"](rng, team_size) for _ in range(n)]


@pytest.mark.parametrize("team_size", [1, 2, 3])
def test_kickoff_takes_all_five_spots_and_rlgyms_orientation_on_each(team_size: int) -> None:
    spots = {0: {}, 1: {}}
    for i in range(5):
        spots[0][tuple(KickoffMutator.SPAWN_BLUE_POS[i])] = KickoffMutator.SPAWN_BLUE_YAW[i]
        spots[1][tuple(KickoffMutator.SPAWN_ORANGE_POS[i])] = KickoffMutator.SPAWN_ORANGE_YAW[i]
    seen = set()
    for state in kickoffs(team_size):
        for car in range(2 * team_size):
            position = tuple(state.car_position[car])
            yaw = np.array([spots[car // team_size][position]])
            np.testing.assert_allclose(state.car_rotation[car], rotation(yaw)[0], atol=1e-6)
            seen.add(position)
    assert seen == spots[0].keys() | spots[1].keys()


@pytest.mark.parametrize("team_size", [1, 2, 3])
def test_kickoff_is_fair(team_size: int) -> None:
    for state in kickoffs(team_size):
        position, forward = state.car_position, state.car_rotation[:, 0]
        blue, orange = slice(0, team_size), slice(team_size, None)
        assert len({tuple(p) for p in position[blue]}) == team_size
        np.testing.assert_allclose(position[orange], position[blue] * (-1, -1, 1))
        np.testing.assert_allclose(forward[orange], forward[blue] * (-1, -1, 1), atol=1e-6)
        np.testing.assert_allclose(state.car_boost, 1 / 3)
        np.testing.assert_allclose(state.ball_position, (0, 0, 93.15))
        assert state.car_on_ground.all()
        for still in state[1:3] + state[4:6] + state[9:]:
            assert (still == 0).all()


@given(seed=seeds, team_size=team_sizes)
@settings(deadline=None, max_examples=30)
def test_kickoff_like_keeps_the_ball_over_the_centre_and_teams_in_their_halves(
    seed: int, team_size: int
) -> None:
    state = SOURCES["kickoff_like"](np.random.default_rng(seed), team_size)
    assert state.ball_position[:2].tolist() == [0, 0]
    assert (state.car_position[:team_size, 1] < 0).all()
    assert (state.car_position[team_size:, 1] > 0).all()


@given(seed=seeds, team_size=team_sizes)
@settings(deadline=None, max_examples=30)
def test_goalie_shoots_at_the_goal_that_is_defended(seed: int, team_size: int) -> None:
    state = SOURCES["goalie"](np.random.default_rng(seed), team_size)
    side = np.sign(state.ball_linear_velocity[1])
    defends = np.repeat((-1, 1), team_size) == side
    assert (side * state.car_position[defends, 1] >= 4400).all()
    assert (side * state.ball_position[1] >= 1500).all()
    seconds = (BACK_WALL_Y * side - state.ball_position[1]) / state.ball_linear_velocity[1]
    assert abs(state.ball_position[0] + seconds * state.ball_linear_velocity[0]) < GOAL_HALF_WIDTH


def test_random_state_has_cars_in_the_air_and_on_the_ground() -> None:
    rng = np.random.default_rng(0)
    grounded = np.mean([SOURCES["random"](rng, 3).car_on_ground for _ in range(300)])
    assert 0.6 < grounded < 0.73


def marked_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(SOURCES):
        monkeypatch.setitem(SOURCES, name, lambda rng, team_size, name=name: (name, team_size))


def test_mix_draws_in_proportion_to_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    marked_sources(monkeypatch)
    mix = weighted_mix({"kickoff": 1, "random": 6, "goalie": 0, "kickoff_like": 3})
    rng = np.random.default_rng(0)
    drawn = [mix(rng, 2) for _ in range(4000)]
    assert {size for _, size in drawn} == {2}
    names = [name for name, _ in drawn]
    share = {name: names.count(name) / len(names) for name in SOURCES}
    want = {"kickoff": 0.1, "random": 0.6, "goalie": 0, "kickoff_like": 0.3}
    assert share == pytest.approx(want, abs=0.03)
    assert share["goalie"] == 0


def test_mix_of_one_source_draws_only_it(monkeypatch: pytest.MonkeyPatch) -> None:
    marked_sources(monkeypatch)
    mix = weighted_mix({"goalie": 0.3})
    assert {mix(np.random.default_rng(seed), 1)[0] for seed in range(50)} == {"goalie"}


def test_mix_names_an_unknown_source_and_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown reset source \['replay'\].*'kickoff', 'kick"):
        weighted_mix({"kickoff": 1, "replay": 2})


@pytest.mark.parametrize("weights", [{"kickoff": -1, "random": 2}, {"kickoff": 0}, {}])
def test_mix_wants_weights_that_can_be_drawn_from(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be >= 0 and not all 0, got"):
        weighted_mix(weights)
