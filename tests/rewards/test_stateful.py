"""Components that remember, against plain twins and values worked by hand.

Also the values by hand of those that look one step back and have no golden column.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from lucy.rewards.spec import RewardSpec
from lucy.rewards.trajectory import evaluate_trajectory
from lucy.sim.state import GameStates, allocate, team_slots

PRESSURES = ("offensive_pressure", "defensive_pressure", "counter_pressure")
ORANGE_GOAL = np.array([0, 6000, 321.3875])


def values(component: str, states: GameStates, **parameters: float) -> np.ndarray:
    """The component's value in every step of play [T,C]; NaN where an episode begins."""
    spec = RewardSpec.model_validate({"events": [{"component": component, **parameters}]})
    return evaluate_trajectory(spec, states).decomposition.value[..., 0]


def trajectory(steps: int, cars: int = 2) -> GameStates:
    """Cars and ball that rest far from everything for this many steps after a start."""
    states = allocate(np.ones((steps + 1, cars), np.bool_), team_slots(cars // 2))
    states.car_position[:, :, 0] = np.arange(cars) * 500
    states.car_position[..., 2] = 17
    states.car_forward[..., 0] = states.car_up[..., 2] = states.car_right[..., 1] = 1
    states.car_on_ground[:] = states.car_has_flip[:] = True
    states.ball_position[..., 2] = 92.75
    states.episode_start[0] = True
    return states


# Twins


def pressure_twin(kind: str, states: GameStates) -> np.ndarray:
    """REFERENCE's pressure, zone by zone over a list of steps."""
    team = states.car_team
    paid = np.zeros(states.car_boost.shape)
    for zone in (0, 1):
        goal = ORANGE_GOAL * ([1, 1, 1] if zone == 0 else [1, -1, 1])
        siege: list[float] = []
        for t in range(len(paid)):
            if t == 0 or states.episode_start[t]:
                siege, paid[t] = [], np.nan
                continue
            scored = states.score[t] > states.score[t - 1]
            near = np.linalg.norm(states.ball_position[t] - goal) - 972.75 < 3680
            if near and not scored.any():
                away = np.linalg.norm(states.car_position[t] - goal, axis=-1) - 972.75
                blue, orange = ((away[team == side] < 3680).mean() for side in (0, 1))
                siege.append(0.5 + 0.5 * (blue - orange))
                continue
            if siege and (scored[zone] if kind[0] != "c" else not scored.any() and len(siege) > 2):
                mean = np.mean(siege) * (1 - min(len(siege) - 1, 90) / 90) ** 0.7
                rest = (1 - np.mean(siege)) * (1 - min(len(siege) - 1, 90) / 90) ** 0.7
                for c, side in enumerate(team):
                    if (side == zone) == (kind[0] == "o"):
                        paid[t, c] = mean if (side == 0) != (kind[0] == "d") else rest
            siege = []
    return paid


def aerial_twin(states: GameStates) -> np.ndarray:
    """Aerial distance, car by car."""
    paid = np.full(states.car_boost.shape, np.nan)
    for c in range(paid.shape[1]):
        carried: float | None = None
        for t in range(len(paid)):
            if t == 0 or states.episode_start[t]:
                carried = None
                continue
            now, then = states.car_position[t, c], states.car_position[t - 1, c]
            ball, ball_then = states.ball_position[t], states.ball_position[t - 1]
            high, paid[t, c] = now[2] >= 256, 0
            if carried is not None:
                way = np.linalg.norm(now - then) + np.linalg.norm(ball - ball_then)
                carried = carried + way if high else None
            others = np.delete(states.car_ball_touched[t], c).any()
            if states.car_ball_touched[t, c] and high:
                first = max(0.0, (now[2] + ball[2]) / 2 - 256)
                paid[t, c] = (first if carried is None else carried) / 5120
                carried = 0.0
            elif others:
                carried = None
    return paid


def dash_twin(states: GameStates) -> np.ndarray:
    """Wave dashes, car by car, from the list of steps in which a flip started."""
    paid = np.full(states.car_boost.shape, np.nan)
    grounded, has_flip = states.car_on_ground, states.car_has_flip
    velocity = states.car_linear_velocity.astype(float)
    for c in range(paid.shape[1]):
        flip: int | None = None
        for t in range(len(paid)):
            if t == 0 or states.episode_start[t]:
                flip = None
                continue
            paid[t, c] = 0
            if grounded[t, c]:
                if not grounded[t - 1, c] and flip is not None and t - flip <= 10:
                    paid[t, c] = np.linalg.norm(velocity[flip, c] - velocity[flip - 1, c]) / 2300
                flip = None
                continue
            action = states.previous_action[t, c]
            stick = np.abs(action[[2, 3, 4]]).max() >= 0.5
            if has_flip[t - 1, c] and not has_flip[t, c] and action[5] > 0 and stick:
                flip = t
    return paid


TWINS: dict[str, Callable[[GameStates], np.ndarray]] = {
    **{name: lambda states, name=name: pressure_twin(name, states) for name in PRESSURES},
    "aerial_distance": aerial_twin,
    "wave_dash": dash_twin,
}


def wild_play(random_states: Callable) -> Iterator[GameStates]:
    """Steps in which all that these components look for happens often."""
    for seed, mode in enumerate(("1v1", "2v2", "3v3")):
        rng = np.random.default_rng(seed)
        states = random_states(rng, [mode] * 400)
        stay = rng.random(400) < 0.8  # the ball stays for a while where it is
        for t in range(1, 400):
            if stay[t]:
                states.ball_position[t] = states.ball_position[t - 1]
        states.score[:] = np.cumsum(rng.random((400, 2)) < 0.1, axis=0)
        states.car_ball_touched[:] = rng.random(states.car_boost.shape) < 0.3
        states.episode_start[:] = rng.random(400) < 0.02
        yield states


@pytest.mark.parametrize("name", TWINS)
def test_on_wild_play_each_equals_its_twin(name: str, random_states: Callable) -> None:
    for states in wild_play(random_states):
        want = TWINS[name](states)
        assert (want > 0).sum() > 5
        np.testing.assert_allclose(values(name, states), want, atol=1e-5)


@pytest.mark.parametrize("name", TWINS)
def test_on_recorded_play_each_equals_its_twin(golden, name: str) -> None:
    want = TWINS[name](golden.states)
    np.testing.assert_allclose(values(name, golden.states), want, atol=1e-5)


# By hand


def siege(steps: int) -> GameStates:
    """The ball in orange's zone with blue's car for so many steps, orange's car far away."""
    states = trajectory(steps + 1)
    states.ball_position[:, 1] = 3000  # ‖(0, 3000, 228.6)‖ - 972.75 = 2036 < 3680
    states.car_position[:, 0, 1], states.car_position[:, 1, 1] = 2500, -4000
    return states


def test_a_siege_that_ends_in_a_goal() -> None:
    # Each step adds 0.5 + 0.5·(1 - 0) = 1; the mean 1 fades by (1 - 9/90)^0.7
    states = siege(10)
    states.score[11, 0] = 1
    paid = values("offensive_pressure", states)
    assert not paid[1:11].any()
    np.testing.assert_allclose(paid[11], [0.9**0.7, 0], atol=1e-6)
    # Orange concedes: it is paid the mean, blue nothing
    np.testing.assert_allclose(values("defensive_pressure", states)[11], [0, 0.9**0.7], atol=1e-6)
    assert not values("counter_pressure", states)[1:].any()


@pytest.mark.parametrize(("steps", "counts"), [(2, False), (3, True)])
def test_a_siege_that_is_broken_after_three_steps(steps: int, counts: bool) -> None:
    # Orange's car in the zone too: 0.5 each step; orange defends, and is paid 1 - 0.5
    states = siege(steps)
    states.car_position[:, 1, 1] = 4000
    states.ball_position[-1, 1] = 0
    want = 0.5 * (1 - (steps - 1) / 90) ** 0.7 if counts else 0
    np.testing.assert_allclose(values("counter_pressure", states)[-1], [0, want], atol=1e-6)


def test_a_carry_through_the_air() -> None:
    states = trajectory(5)
    states.car_position[1:, 0, 2], states.ball_position[1:, 2] = 500, 600
    states.car_ball_touched[[1, 3], 0] = True
    states.car_position[2:, 0, 1], states.ball_position[2:, 1] = 30, 40
    states.car_position[3:, 0, 1], states.ball_position[3:, 1] = 60, 80
    paid = values("aerial_distance", states)[:, 0]
    # (500 + 600)/2 - 256 = 294 at first; then twice 30 + 40 on the way
    np.testing.assert_allclose(paid[1:], np.array([294, 0, 140, 0, 0]) / 5120, atol=1e-6)


def test_somebody_elses_touch_ends_a_carry() -> None:
    states = trajectory(3)
    states.car_position[1:, 0, 2], states.ball_position[1:, 2] = 500, 600
    states.car_ball_touched[[1, 3], 0] = states.car_ball_touched[2, 1] = True
    paid = values("aerial_distance", states)
    np.testing.assert_allclose(paid[1:, 0], np.array([294, 0, 294]) / 5120, atol=1e-6)
    assert not paid[1:, 1].any()  # it touched from the ground


def dash(landing: int) -> GameStates:
    """A flip in step 2 that adds 500 uu/s, and a landing."""
    states = trajectory(15)
    states.car_on_ground[1:landing, 0] = False
    states.car_has_flip[2:landing, 0] = False
    states.car_linear_velocity[1:, 0, 0] = 900
    states.car_linear_velocity[2:, 0, 0:2] = 1200, 400
    states.previous_action[2, 0, [2, 5]] = -1, 1  # stick and jump
    return states


@pytest.mark.parametrize(("landing", "paid"), [(4, 500 / 2300), (12, 500 / 2300), (13, 0)])
def test_a_wave_dash_pays_until_the_flip_is_over(landing: int, paid: float) -> None:
    value = values("wave_dash", dash(landing))
    assert value[landing, 0] == pytest.approx(paid)
    assert np.nansum(value) == pytest.approx(paid)


def test_a_double_jump_is_no_wave_dash() -> None:
    states = dash(5)
    states.previous_action[2, 0, 2] = 0.4
    assert not values("wave_dash", states)[1:].any()


def test_a_flip_reset_is_a_touch_with_the_wheels() -> None:
    states = trajectory(2)
    states.car_on_ground[:] = False
    states.car_has_flip[1] = False
    states.car_ball_touched[2] = True
    # Car 0 is on top of the ball; car 1 has it before its nose
    states.car_position[:, 0], states.car_position[:, 1] = (0, 0, 1100), (-150, 0, 1000)
    states.ball_position[:] = 0, 0, 1000
    assert values("flip_reset", states)[1:].tolist() == [[0, 0], [1, 0]]
    states.car_has_flip[1] = True  # had one: nothing was regained
    assert not values("flip_reset", states)[1:].any()


def test_boost_is_counted_by_its_root() -> None:
    states = trajectory(3)
    states.car_boost[:, 0] = 0.25, 0.64, 0.64, 0.09
    np.testing.assert_allclose(values("boost_gain", states)[1:, 0], [0.3, 0, 0], atol=1e-6)
    np.testing.assert_allclose(values("boost_loss", states)[1:, 0], [0, 0, 0.5], atol=1e-6)


def test_a_touch_is_as_strong_as_the_balls_change() -> None:
    states = trajectory(2)
    states.ball_linear_velocity[:] = [[0, 1000, 0], [0, -2000, 4000], [0, 0, 0]]
    states.car_ball_touched[1, 0] = True
    # ‖(0, -3000, 4000)‖ / 6000 for the one that touched, nothing for the other or later
    np.testing.assert_allclose(values("touch_strength", states)[1:], [[5 / 6, 0], [0, 0]])


def test_air_time_is_any_step_off_the_ground() -> None:
    states = trajectory(3)
    states.car_on_ground[2, 1] = False
    assert values("air_time", states)[1:].tolist() == [[0, 0], [0, 1], [0, 0]]


def test_the_larger_goal_is_likelier() -> None:
    states = trajectory(4)
    states.ball_position[1:] = [[0, 0, 100], [0, 5200, 100], [0, -5200, 100], [900, 2000, 300]]
    paid = values("goal_probability", states)
    np.testing.assert_allclose(paid[1:4], [[0, 0], [1, -1], [-1, 1]], atol=1e-6)
    # Seen from (900, 2000, 300): the share of both mouths' angles, by summing small tiles
    x, z = np.meshgrid(np.linspace(-892.755, 892.755, 801), np.linspace(0, 642.775, 401))
    views = []
    for goal_y in (5120, -5120):
        depth = abs(goal_y - 2000)
        views.append((depth / ((x - 900) ** 2 + depth**2 + (z - 300) ** 2) ** 1.5).mean())
    want = (views[0] - views[1]) / sum(views)
    np.testing.assert_allclose(paid[4], [want, -want], atol=1e-3)
