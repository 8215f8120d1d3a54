"""What must hold of every component, however it is written."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucy.rewards.function import RewardFunction
from lucy.rewards.registry import COMPONENTS
from lucy.rewards.spec import RewardSpec
from lucy.sim.state import GameStates, allocate, team_slots

PER_CAR = [name for name in GameStates._fields if name[:4] == "car_" and name != "car_team"]
PER_CAR.append("previous_action")
TURNED = ("position", "velocity", "forward", "right", "up")
MIXED = ["1v1", "3v3", "2v2"]

every_component = pytest.mark.parametrize("name", COMPONENTS)
seeds = given(seed=st.integers(0, 2**32 - 1))
few = settings(deadline=None, max_examples=5)  # each has hundreds of cars' values in it


def single(name: str, **sharing: float) -> RewardSpec:
    return RewardSpec.model_validate({"events": [{"component": name}]} | sharing)


def play(spec: RewardSpec, steps: list[GameStates]) -> tuple[np.ndarray, np.ndarray]:
    """Values [T,A,C,K] and totals [T,A,C] of all steps but the first."""
    everywhere = slice(0, len(steps[0].score))
    reward = RewardFunction(spec, steps[0])
    reward.reset(steps[0], np.arange(everywhere.stop))
    paid = []
    for states in steps[1:]:
        reward.step(states, everywhere)
        paid.append((reward.decomposition.value.copy(), reward.total.copy()))
    values, totals = zip(*paid, strict=True)
    return np.array(values), np.array(totals)


def lively(rng: np.random.Generator, random_states: Callable, modes: list[str]) -> list[GameStates]:
    """Steps of play; for some the ball stays before a goal, and at last at the centre."""
    steps = [random_states(rng, modes) for _ in range(7)]
    for states in steps[1:5]:
        states.score[:] = steps[0].score
        states.ball_position[:] = steps[0].ball_position * [1, 0, 1] + [0, 4800, 0]
        states.ball_position[::2, 1] *= -1
    steps[6].ball_position[::3, :2] = 0
    steps[5].score[:] = steps[0].score + (rng.random(steps[0].score.shape) < 0.4)
    return steps


def test_lively_play_moves_every_component(random_states: Callable) -> None:
    spec = RewardSpec.model_validate({"events": [{"component": name} for name in COMPONENTS]})
    steps = lively(np.random.default_rng(0), random_states, ["3v3"] * 200)
    values, _ = play(spec, steps)
    still = [term.name for k, term in enumerate(spec.terms) if not values[..., k].any()]
    assert not still


def changed(states: GameStates, order: np.ndarray) -> GameStates:
    """The same with the cars of every arena in another order."""
    cars = {name: getattr(states, name) for name in PER_CAR}
    return states._replace(**{k: np.ascontiguousarray(v[:, order]) for k, v in cars.items()})


def mirrored(states: GameStates) -> GameStates:
    """Teams swapped and the field turned by half a circle."""
    cars = states.car_mask.shape[1]
    seen = changed(states, np.roll(np.arange(cars), cars // 2))
    turned = {
        name: array * np.float32([-1, -1, 1])
        for name, array in seen._asdict().items()
        if name.endswith(TURNED)
    }
    return seen._replace(score=states.score[:, ::-1].copy(), **turned)


@every_component
@seeds
@few
def test_orange_has_in_the_mirror_what_blue_has(
    name: str, seed: int, random_states: Callable
) -> None:
    steps = lively(np.random.default_rng(seed), random_states, ["2v2"] * 6)
    values, _ = play(single(name), steps)
    other, _ = play(single(name), [mirrored(states) for states in steps])
    np.testing.assert_allclose(np.roll(other, 2, axis=2), values, atol=1e-5)


@every_component
@seeds
@few
def test_no_order_of_arenas_or_of_a_teams_cars_matters(
    name: str, seed: int, random_states: Callable
) -> None:
    rng = np.random.default_rng(seed)
    steps = lively(rng, random_states, ["3v3"] * 6)
    cars = np.concatenate([rng.permutation(3), 3 + rng.permutation(3)])
    arenas = rng.permutation(6)

    def moved(states: GameStates) -> GameStates:
        views = changed(states, cars)._asdict()
        del views["car_team"]
        return states._replace(**{k: np.ascontiguousarray(v[arenas]) for k, v in views.items()})

    values, _ = play(single(name), steps)
    other, _ = play(single(name), [moved(states) for states in steps])
    np.testing.assert_allclose(other, values[:, arenas][:, :, cars], atol=1e-5)


@every_component
@seeds
@few
def test_equal_teams_play_for_zero_and_empty_slots_for_nothing(
    name: str, seed: int, random_states: Callable
) -> None:
    rng = np.random.default_rng(seed)
    steps = lively(rng, random_states, MIXED * 2)
    for states in steps:  # what nobody may read
        states.car_position[~states.car_mask] = np.nan
    spec = single(name, team_spirit=float(rng.random()), zero_sum=1)
    values, totals = play(spec, steps)
    empty = ~steps[0].car_mask
    assert np.isfinite(values).all()
    assert np.isfinite(totals).all()
    assert not values[:, empty].any()
    assert not totals[:, empty].any()
    np.testing.assert_allclose(totals.sum(axis=2), 0, atol=1e-5)


@every_component
@pytest.mark.parametrize("n", [1, 2, 3])
@seeds
@few
def test_krc_of_equal_parts_is_the_part(
    name: str, n: int, seed: int, random_states: Callable
) -> None:
    steps = lively(np.random.default_rng(seed), random_states, ["2v2"] * 4)
    terms = [{"component": name}, {"name": "combined", "krc": [{"component": name}] * n}]
    values, _ = play(RewardSpec.model_validate({"events": terms}), steps)
    np.testing.assert_allclose(values[..., 1], values[..., 0], rtol=1e-5, atol=1e-5)


def placed(where: str) -> GameStates:
    """Two cars a side that stand still, all in one place."""
    states = allocate(np.ones((1, 4), np.bool_), team_slots(2))
    states.car_forward[..., 0] = states.car_up[..., 2] = states.car_right[..., 1] = 1
    if where == "in the goal":
        states.car_position[:] = states.ball_position[:] = 0, 6000, 321.3875
    elif where == "midway in the goal":
        states.car_position[:] = states.ball_position[:] = 0, 5560, 321.3875
    elif where == "apart":
        states.car_position[..., 0] = 300
        states.ball_position[:] = 0, 0, 92.75
    states.car_ball_touched[:] = True
    return states


@every_component
@pytest.mark.parametrize("where", ["at the centre", "in the goal", "midway in the goal", "apart"])
def test_coincident_and_still_things_are_no_trouble(name: str, where: str) -> None:
    states = placed(where)
    goal = GameStates(*(array.copy() for array in states))
    goal.score[:] = 1, 0
    values, totals = play(single(name), [states, states, states, goal, goal])
    assert np.isfinite(values).all()
    assert np.isfinite(totals).all()


BOUNDS = {
    "necto_state_quality": (-2, 2),  # Q is in (-1, 1)
    "necto_ball_distance": (-1, 1),
    "necto_alignment": (-2, 2),
    "necto_touch_height": (0, 1),
    "necto_touch_acceleration": (0, 2 * 6000 / 2300),
    "necto_boost_gain": (0, 1),
    "necto_boost_loss": (0, 1),
    "necto_on_ground": (0, 1),
    "necto_demo": (0, 1),
    "necto_demoed": (0, 1),
    "necto_goal": (0, 1),
    "necto_goal_speed": (0, 1),
    "necto_concede_distance": (0, 1),
    "wave_dash": (0, 2),
    "aerial_distance": (0, np.inf),
    "touch_ball_aerial": (0, 2044 / (2 * 92.75)),
}


@pytest.mark.parametrize("name", BOUNDS)
@seeds
@few
def test_bounds(name: str, seed: int, random_states: Callable) -> None:
    steps = lively(np.random.default_rng(seed), random_states, ["3v3"] * 10)
    values, _ = play(single(name), steps)
    low, high = BOUNDS[name]
    assert values.min() >= low - 1e-5
    assert values.max() <= high + 1e-5


def test_every_part_of_the_published_bots_has_its_bounds() -> None:
    assert {name for name in COMPONENTS if name.startswith("necto_")} <= BOUNDS.keys()
