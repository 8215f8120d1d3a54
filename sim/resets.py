"""Where episodes start: sources of initial states, and their weighted mix."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np

from .constants import (
    BACK_WALL_Y,
    BALL_RADIUS,
    BALL_REST_Z,
    CAR_MAX_ANGULAR_SPEED,
    CAR_MAX_SPEED,
    CAR_REST_Z,
    CEILING_Z,
    CORNER_CUT,
    GOAL_HALF_WIDTH,
    GOAL_HEIGHT,
    KICKOFF_BOOST,
    KICKOFF_SPOTS,
    N_BOOST_PADS,
    SIDE_WALL_X,
)


class InitialState(NamedTuple):
    """The state at an episode's start, for the n cars that an arena has, blue first."""

    ball_position: np.ndarray  # [3] uu
    ball_linear_velocity: np.ndarray  # [3] uu/s
    ball_angular_velocity: np.ndarray  # [3] rad/s
    car_position: np.ndarray  # [n,3] uu
    car_linear_velocity: np.ndarray  # [n,3] uu/s
    car_angular_velocity: np.ndarray  # [n,3] rad/s
    car_rotation: np.ndarray  # [n,3,3]: rows forward, right, up
    car_boost: np.ndarray  # [n] 0..1
    car_on_ground: np.ndarray  # [n] bool
    boost_pad_cooldown: np.ndarray  # [34] s until the pad is back, 0 while active


ResetSource = Callable[[np.random.Generator, int], InitialState]
"""Draws an initial state for `team_size` cars a side: (rng, team_size) -> InitialState."""


def rotation(yaw: np.ndarray, pitch: np.ndarray | float = 0.0, roll: np.ndarray | float = 0.0):
    """Orientation matrices of Rocket League's angles (left-handed, z up).

    Args:
        yaw: [n] rad about z, 0 along +x.
        pitch: [n] rad, up positive.
        roll: [n] rad.

    Returns:
        [n,3,3] float32, rows forward, right, up. Source: RLGym v2 `euler_to_rotation`.
    """
    yaw, pitch, roll = np.broadcast_arrays(yaw, pitch, roll)
    cy, sy, cp, sp, cr, sr = (f(angle) for angle in (yaw, pitch, roll) for f in (np.cos, np.sin))
    forward = (cp * cy, cp * sy, sp)
    right = (cy * sp * sr - cr * sy, sy * sp * sr + cr * cy, -cp * sr)
    up = (-cr * cy * sp - sr * sy, -cr * sy * sp + sr * cy, cp * cr)
    return np.moveaxis(np.array([forward, right, up], np.float32), -1, 0)


def kickoff(rng: np.random.Generator, team_size: int) -> InitialState:
    """The game's kickoff: both teams on the same distinct spots of the five, a third of boost."""
    spots = KICKOFF_SPOTS[rng.permutation(len(KICKOFF_SPOTS))[:team_size]]
    position = np.column_stack([spots[:, :2], np.full(team_size, CAR_REST_Z)])
    yaw = spots[:, 2]
    return _at_rest(
        ball_position=(0.0, 0.0, BALL_REST_Z),
        car_position=np.concatenate([position, position * (-1, -1, 1)]),
        yaw=np.concatenate([yaw, yaw - np.pi]),
        boost=np.full(2 * team_size, KICKOFF_BOOST),
    )


def kickoff_like(rng: np.random.Generator, team_size: int) -> InitialState:
    """The ball over the centre, resting or falling; cars anywhere in their half, facing it."""
    cars = 2 * team_size
    height = BALL_REST_Z if rng.random() < 0.5 else rng.uniform(BALL_REST_Z, 1500.0)
    position = np.column_stack(
        [
            rng.uniform(-3000.0, 3000.0, cars),
            rng.uniform(-4600.0, -800.0, cars) * _side(team_size),
            np.full(cars, CAR_REST_Z),
        ]
    )
    yaw = np.arctan2(-position[:, 1], -position[:, 0]) + rng.normal(0.0, 0.2, cars)
    return _at_rest((0.0, 0.0, height), position, yaw, rng.uniform(0.0, 1.0, cars))


def random_state(rng: np.random.Generator, team_size: int) -> InitialState:
    """Anything play can reach: the ball anywhere and moving, cars near it, a third airborne."""
    cars = 2 * team_size
    ball_position = _in_field(rng, 1, BALL_RADIUS + 10.0, CEILING_Z - 400.0)[0]
    ball_position[2] = min(ball_position[2], rng.uniform(BALL_REST_Z, CEILING_Z - 400.0))
    position = _in_field(rng, cars, 100.0, CEILING_Z - 400.0)
    near = rng.random(cars) < 0.5
    around = ball_position + _directions(rng, cars) * rng.uniform(300.0, 2000.0, (cars, 1))
    position[near] = _clip_to_field(around[near])
    on_ground = rng.random(cars) < 2 / 3
    position[on_ground, 2] = CAR_REST_Z
    tilt = np.where(on_ground, 0.0, 1.0)
    rotations = rotation(
        yaw=rng.uniform(-np.pi, np.pi, cars),
        pitch=tilt * rng.uniform(-np.pi / 2, np.pi / 2, cars),
        roll=tilt * rng.uniform(-np.pi, np.pi, cars),
    )
    speed = rng.uniform(0.0, CAR_MAX_SPEED, (cars, 1))
    flying = _directions(rng, cars) * speed
    driving = rotations[:, 0] * speed
    spin = _directions(rng, cars) * rng.uniform(0.0, CAR_MAX_ANGULAR_SPEED, (cars, 1))
    ball_speed = rng.exponential(800.0)
    return InitialState(
        ball_position=ball_position,
        ball_linear_velocity=_directions(rng, 1)[0] * min(ball_speed, 4000.0),
        ball_angular_velocity=_directions(rng, 1)[0] * rng.uniform(0.0, 5.0),
        car_position=position,
        car_linear_velocity=np.where(on_ground[:, None], driving, flying),
        car_angular_velocity=np.where(on_ground[:, None], 0.0, spin),
        car_rotation=rotations,
        car_boost=rng.uniform(0.0, 1.0, cars),
        car_on_ground=on_ground,
        boost_pad_cooldown=np.zeros(N_BOOST_PADS),
    )


def goalie(rng: np.random.Generator, team_size: int) -> InitialState:
    """A shot on one goal: its defenders near the goal line, the attackers behind the ball."""
    cars = 2 * team_size
    defended = rng.choice([-1.0, 1.0])  # sign of y of the goal under fire
    ball = np.array([rng.uniform(-2500, 2500), defended * rng.uniform(1500, 3500), BALL_REST_Z])
    ball[2] += rng.uniform(0.0, 600.0) * (rng.random() < 0.5)
    target = np.array(
        [
            rng.uniform(-0.8, 0.8) * GOAL_HALF_WIDTH,
            defended * BACK_WALL_Y,
            rng.uniform(100.0, 0.8 * GOAL_HEIGHT),
        ]
    )
    velocity = (target - ball) / np.linalg.norm(target - ball) * rng.uniform(800.0, 2500.0)
    velocity[2] += 0.2 * np.linalg.norm(velocity[:2]) * rng.random()  # to fall on the way
    defends = _side(team_size) == -defended
    position = np.empty((cars, 3))
    position[:, 2] = CAR_REST_Z
    position[:, 0] = np.where(
        defends,
        rng.uniform(-GOAL_HALF_WIDTH, GOAL_HALF_WIDTH, cars),
        ball[0] + rng.uniform(-1000.0, 1000.0, cars),
    )
    position[:, 1] = defended * np.where(
        defends, rng.uniform(4400.0, 5000.0, cars), rng.uniform(-1500.0, 1000.0, cars)
    )
    toward_ball = ball - position
    yaw = np.arctan2(toward_ball[:, 1], toward_ball[:, 0]) + rng.normal(0.0, 0.3, cars)
    state = _at_rest(ball, position, yaw, rng.uniform(0.0, 1.0, cars))
    return state._replace(ball_linear_velocity=velocity)


SOURCES: dict[str, ResetSource] = {
    "kickoff": kickoff,
    "kickoff_like": kickoff_like,
    "random": random_state,
    "goalie": goalie,
}


# Those that are built from files: `ReplayStates` and `TrainingPacks`
FILE_SOURCES = ("replays", "training_packs")


def check_weights(weights: Mapping[str, float], names: Collection[str]) -> None:
    """Make sure that a mix can be drawn from sources with these names.

    Raises:
        ValueError: an unknown source, a negative weight or nothing to draw from.
    """
    unknown = sorted(set(weights) - set(names))
    if unknown:
        raise ValueError(f"unknown reset source {unknown}: expected names out of {list(names)}")
    if sum(weights.values()) <= 0 or min(weights.values()) < 0:
        raise ValueError(f"reset weights must be >= 0 and not all 0, got {dict(weights)}")


def weighted_mix(
    weights: Mapping[str, float], sources: Mapping[str, ResetSource] = SOURCES
) -> ResetSource:
    """A source that draws from the named sources with the given weights.

    Args:
        weights: source name -> weight, not negative; need not add up to one.
        sources: by name.

    Raises:
        ValueError: see `check_weights`.
    """
    check_weights(weights, sources)
    shares = np.cumsum(list(weights.values())) / sum(weights.values())
    mixed = [sources[name] for name in weights]

    def draw(rng: np.random.Generator, team_size: int) -> InitialState:
        index = min(int(np.searchsorted(shares, rng.random(), side="right")), len(mixed) - 1)
        return mixed[index](rng, team_size)

    return draw


def _at_rest(ball_position, car_position: np.ndarray, yaw: np.ndarray, boost: np.ndarray):
    """Everything still, cars on their wheels, all pads active."""
    return InitialState(
        ball_position=np.asarray(ball_position, np.float64),
        ball_linear_velocity=np.zeros(3),
        ball_angular_velocity=np.zeros(3),
        car_position=car_position,
        car_linear_velocity=np.zeros_like(car_position),
        car_angular_velocity=np.zeros_like(car_position),
        car_rotation=rotation(yaw),
        car_boost=boost,
        car_on_ground=np.ones(len(car_position), np.bool_),
        boost_pad_cooldown=np.zeros(N_BOOST_PADS),
    )


def _side(team_size: int) -> np.ndarray:
    """+1 for blue, -1 for orange: [2·team_size], blue first."""
    return np.repeat((1.0, -1.0), team_size)


def _directions(rng: np.random.Generator, n: int) -> np.ndarray:
    """Unit vectors, even over the sphere: [n,3]."""
    vectors = rng.normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _in_field(rng: np.random.Generator, n: int, low: float, high: float) -> np.ndarray:
    """Points inside the walls with z in low..high: [n,3]."""
    x, y = SIDE_WALL_X - 300.0, BACK_WALL_Y - 300.0
    return _clip_to_field(rng.uniform((-x, -y, low), (x, y, high), (n, 3)))


def _clip_to_field(points: np.ndarray) -> np.ndarray:
    """Points moved inside the walls, the cut corners and the ceiling: [n,3]."""
    inside = np.clip(
        points,
        (300.0 - SIDE_WALL_X, 300.0 - BACK_WALL_Y, 100.0),
        (SIDE_WALL_X - 300.0, BACK_WALL_Y - 300.0, CEILING_Z - 300.0),
    )
    # |x| + |y| is at most this on the corner walls' inner side
    reach = SIDE_WALL_X + BACK_WALL_Y - CORNER_CUT - 500.0
    excess = np.maximum(np.abs(inside[:, :2]).sum(axis=1) - reach, 0.0)
    inside[:, :2] -= np.sign(inside[:, :2]) * excess[:, None] / 2
    return inside
