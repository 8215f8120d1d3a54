"""Reset source `training_packs`: the shots of custom training that come with rlgym-tools."""

import gzip
import json
from importlib import resources

import numpy as np

from .constants import (
    BACK_NET_Y,
    BACK_WALL_Y,
    BALL_MAX_SPEED,
    BALL_RADIUS,
    CAR_REST_Z,
    CEILING_Z,
    N_BOOST_PADS,
    SIDE_WALL_X,
)
from .resets import InitialState, rotation

_GROUND_Z = 50.0  # packs set cars down from a little above the ground


class TrainingPacks:
    """Draws shots: the ball under way, one blue car in its place with a full tank.

    A pack has no more cars than that one; the others stand anywhere in their own halves,
    facing the ball.

    Source: `training_pack_states.jsonl.gz` of rlgym-tools.
    """

    def __init__(self) -> None:
        """Read the packs: some 5 000 shots, in 0.2 s."""
        packed = resources.files("rlgym_tools").joinpath(
            "rocket_league", "state_mutators", "training_pack_states.jsonl.gz"
        )
        packs = gzip.decompress(packed.read_bytes()).decode("utf-8").splitlines()
        shots = [shot for pack in packs for shot in json.loads(pack)["shots"]]
        self._ball = np.array(
            [[shot["ball"]["position"], shot["ball"]["linear_velocity"]] for shot in shots]
        )
        self._car = np.array([shot["car"]["position"] for shot in shots])
        pitch, yaw, roll = np.array([shot["car"]["euler_angles"] for shot in shots]).T
        self._rotation = rotation(yaw, pitch, roll)
        legal = _inside(self._ball[:, 0], BACK_WALL_Y, BALL_RADIUS) & _inside(
            self._car, BACK_NET_Y, CAR_REST_Z
        )
        legal &= np.linalg.norm(self._ball[:, 1], axis=1) <= BALL_MAX_SPEED
        self._ball, self._car = self._ball[legal], self._car[legal]
        self._rotation = self._rotation[legal]

    def __len__(self) -> int:
        """How many shots there are."""
        return len(self._car)

    def __call__(self, rng: np.random.Generator, team_size: int) -> InitialState:
        """Draw a shot; see `ResetSource`."""
        cars = 2 * team_size
        shot = int(rng.integers(len(self)))
        ball_position, ball_velocity = self._ball[shot]
        side = np.repeat((1.0, -1.0), team_size)
        position = np.column_stack(
            [
                rng.uniform(-3000.0, 3000.0, cars),
                rng.uniform(-4600.0, -800.0, cars) * side,
                np.full(cars, CAR_REST_Z),
            ]
        )
        toward_ball = ball_position - position
        rotations = rotation(np.arctan2(toward_ball[:, 1], toward_ball[:, 0]))
        boost = rng.uniform(0.0, 1.0, cars)
        on_ground = np.ones(cars, np.bool_)
        position[0], rotations[0], boost[0] = self._car[shot], self._rotation[shot], 1.0
        on_ground[0] = position[0, 2] < _GROUND_Z
        return InitialState(
            ball_position=ball_position,
            ball_linear_velocity=ball_velocity,
            ball_angular_velocity=np.zeros(3),
            car_position=position,
            car_linear_velocity=np.zeros((cars, 3)),
            car_angular_velocity=np.zeros((cars, 3)),
            car_rotation=rotations,
            car_boost=boost,
            car_on_ground=on_ground,
            boost_pad_cooldown=np.zeros(N_BOOST_PADS),
        )


def _inside(position: np.ndarray, back: float, margin: float) -> np.ndarray:
    """Which points are in the field with so much room: [S] bool."""
    limits = np.array((SIDE_WALL_X, back, CEILING_Z)) - margin
    return (np.abs(position) <= limits).all(axis=1) & (position[:, 2] >= margin - 1.0)
