"""The arena as a map of a reward: its value wherever the ball or a car may be."""

from typing import Literal, NamedTuple

import numpy as np

from ..sim.constants import (
    BACK_NET_Y,
    BACK_WALL_Y,
    BALL_REST_Z,
    BLUE,
    CAR_REST_Z,
    CEILING_Z,
    CORNER_CUT,
    GOAL_HALF_WIDTH,
    GOAL_HEIGHT,
    KICKOFF_BOOST,
    ORANGE,
    SIDE_WALL_X,
)
from ..sim.state import GameStates, allocate
from .spec import RewardSpec
from .trajectory import evaluate_states

Vector = tuple[float, float, float]
Axes = Literal["xy", "xz", "yz"]
Moved = Literal["ball", "car"]

REACH = ((-SIDE_WALL_X, SIDE_WALL_X), (-BACK_NET_Y, BACK_NET_Y), (0.0, CEILING_Z))  # of x, y, z
POINTS = (160, 120)  # of a surface, up and across


class Scene(NamedTuple):
    """Where everything is while one thing is moved over the field; uu and uu/s.

    The blue car is the one that is paid. Its two coordinates along the axes, or the ball's,
    are those of the surface's points; the third stays. Cars look where they drive, those at
    rest at the goal that they attack.
    """

    axes: Axes = "xy"
    moved: Moved = "ball"
    ball: Vector = (0.0, 0.0, BALL_REST_Z)
    ball_velocity: Vector = (0.0, 0.0, 0.0)
    car: Vector = (0.0, -2500.0, CAR_REST_Z)
    car_velocity: Vector = (0.0, 1410.0, 0.0)  # full speed without boost
    mates: tuple[Vector, ...] = ()
    opponents: tuple[Vector, ...] = ()
    boost: float = KICKOFF_BOOST  # 0..1, of every car
    touch: bool = False  # the car touches the ball

    @property
    def plane(self) -> tuple[int, int]:
        """The axes across and up, 0 to 2 for x to z."""
        across, up = ("xyz".index(axis) for axis in self.axes)
        return across, up


class Surface(NamedTuple):
    """A reward's value to the blue car over a plane of the field."""

    title: str
    scene: Scene
    across: np.ndarray  # [W] float64, uu
    up: np.ndarray  # [H] float64, uu
    value: np.ndarray  # [H,W] float32, NaN outside the field

    @property
    def is_flat(self) -> bool:
        """Whether the value is the same everywhere."""
        return float(np.nanmax(self.value) - np.nanmin(self.value)) < 1e-6


def surface(
    spec: RewardSpec, scene: Scene, title: str = "", points: tuple[int, int] = POINTS
) -> Surface:
    """A reward's value over the field, in states that stand still.

    What is shown is the weighted sum of all terms, shared out as team spirit and zero-sum
    factor say: for a potential Φ, whose differences are what moving pays. Terms that pay for
    a change from one step to the next are 0.

    Args:
        spec: the reward; `component_spec` and `term_spec` make one of a part.
        scene: what is where.
        title: of the picture.
        points: up and across.
    """
    across, up = (np.linspace(*REACH[axis], n) for axis, n in zip(scene.plane, points[::-1]))  # noqa: B905
    states = surface_states(scene, across, up)
    weighted = evaluate_states(spec, states).decomposition.weighted.sum(axis=-1)
    value = _share(weighted, states.car_team, spec)[:, 0].reshape(len(up), len(across))
    value[~_inside(scene, across, up)] = np.nan
    return Surface(title, scene, across, up, value)


def surface_states(scene: Scene, across: np.ndarray, up: np.ndarray) -> GameStates:
    """The states of a surface's points, row after row: [H·W], the blue car first."""
    cars = [scene.car, *scene.mates, *scene.opponents]
    blue = 1 + len(scene.mates)
    team = np.repeat([BLUE, ORANGE], [blue, len(cars) - blue])
    count = len(across) * len(up)
    states = allocate(np.ones((count, len(cars)), np.bool_), team)
    states.ball_position[:] = scene.ball
    states.ball_linear_velocity[:] = scene.ball_velocity
    states.car_position[:] = cars
    states.car_linear_velocity[:, 0] = scene.car_velocity
    states.car_forward[:, :blue], states.car_forward[:, blue:] = (0, 1, 0), (0, -1, 0)
    states.car_up[:] = (0, 0, 1)
    forward, upward = _axes(scene.car_velocity)
    states.car_forward[:, 0], states.car_up[:, 0] = forward, upward
    states.car_right[:] = np.cross(states.car_up, states.car_forward)
    states.car_boost[:] = scene.boost
    states.car_on_ground[:] = states.car_position[..., 2] <= CAR_REST_Z
    states.car_has_flip[:] = True
    states.car_ball_touched[:, 0] = scene.touch
    states.boost_pad_active[:] = True
    moved = states.ball_position if scene.moved == "ball" else states.car_position[:, 0]
    first, second = scene.plane
    moved[:, first] = np.tile(across, len(up))
    moved[:, second] = np.repeat(up, len(across))
    if scene.moved == "car":
        states.car_on_ground[:, 0] = moved[:, 2] <= CAR_REST_Z
    return states


def _axes(velocity: Vector) -> tuple[np.ndarray, np.ndarray]:
    """Forward and up of a car that looks where it drives."""
    speed = np.linalg.norm(velocity)
    forward = np.array(velocity) / speed if speed > 0 else np.array([0.0, 1.0, 0.0])
    above = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.999 else np.array([0.0, -1.0, 0.0])
    upward = above - (above @ forward) * forward
    return forward, upward / np.linalg.norm(upward)


def _share(paid: np.ndarray, team: np.ndarray, spec: RewardSpec) -> np.ndarray:
    """R' of all cars, [T,C], by the formula of `RewardFunction`."""
    own = team[:, None] == team  # [C,C]
    mates = own / own.sum(axis=1, keepdims=True)
    others = ~own / np.maximum((~own).sum(axis=1, keepdims=True), 1)
    mean, opposing = paid @ mates.T, paid @ others.T
    return (1 - spec.team_spirit) * paid + spec.team_spirit * mean - spec.zero_sum * opposing


def _inside(scene: Scene, across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Which points lie in the field or in a goal: [H,W] bool."""
    place = list(scene.ball if scene.moved == "ball" else scene.car)
    grid: list = list(place)
    first, second = scene.plane
    grid[first], grid[second] = across[None, :], up[:, None]
    x, y, z = (np.abs(axis) for axis in np.broadcast_arrays(*grid))
    field = (x <= SIDE_WALL_X) & (y <= BACK_WALL_Y) & (z <= CEILING_Z)
    field &= x + y <= SIDE_WALL_X + BACK_WALL_Y - CORNER_CUT
    return field | ((x <= GOAL_HALF_WIDTH) & (y <= BACK_NET_Y) & (z <= GOAL_HEIGHT))
