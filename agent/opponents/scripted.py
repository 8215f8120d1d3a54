"""Bots without a network: `random`, `idle`, `chaser` and `striker`."""

import copy
from typing import Self

import numpy as np

from ...sim.actions import ACTION_TABLES
from ...sim.constants import BACK_NET_Y, BACK_WALL_Y, BLUE, CEILING_Z, SIDE_WALL_X
from ...sim.state import GameStates

_FAST = 2250.0  # uu/s, beyond which boost adds nothing
_USUAL_SPEED = 1700.0


class Scripted:
    """A bot that keeps nothing but which cars are its own."""

    name = ""

    def start(
        self, states: GameStates, cars: np.ndarray, random: list[np.random.Generator]
    ) -> None:
        """Begin a batch of games; see `Bot`."""
        self.cars, self.random = cars, random

    def part(self) -> Self:
        """See `PartingBot`."""
        return copy.copy(self)


class IdleBot(Scripted):
    """Never touches the controls."""

    name = "idle"

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`."""
        controls[self.cars] = 0


class RandomBot(Scripted):
    """A new random key combination every step, as an untrained network plays."""

    name = "random"
    _table = ACTION_TABLES["kbm"].controls

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`."""
        for game, (cars, random) in enumerate(zip(self.cars, self.random, strict=True)):
            controls[game, cars] = self._table[random.integers(len(self._table), size=cars.sum())]


class ChaserBot(Scripted):
    """Drives at the ball on the ground, with boost when it lies straight ahead."""

    name = "chaser"

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`."""
        to_ball = states.ball_position[:, None] - states.car_position
        ahead = np.einsum("acx,acx->ac", to_ball, states.car_forward)
        aside = np.einsum("acx,acx->ac", to_ball, states.car_right)
        angle = np.arctan2(aside, ahead)
        chase = np.zeros_like(controls)
        chase[..., 0] = 1
        chase[..., 1] = np.clip(3 * angle, -1, 1)
        chase[..., 6] = np.abs(angle) < 0.3
        chase[..., 7] = np.abs(angle) > 2.0
        controls[self.cars] = chase[self.cars]


class StrikerBot(Scripted):
    """Gets behind the ball, as seen from the goal it attacks, and drives through it.

    It boosts where its way is straight, jumps for balls over its roof and dodges into those
    in front of its nose.
    """

    name = "striker"

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`."""
        ball = states.ball_position[:, None]
        distance = np.linalg.norm(ball - states.car_position, axis=-1)
        angle = self._angle_to_target(states, distance)
        on_ground, in_air = states.car_on_ground, ~states.car_on_ground
        slow = np.linalg.norm(states.car_linear_velocity, axis=-1) < _FAST

        strike = np.zeros_like(controls)
        strike[..., 0] = 1
        strike[..., 1] = np.clip(3 * angle, -1, 1)
        strike[..., 6] = on_ground & slow & (np.abs(angle) < 0.3)
        strike[..., 7] = on_ground & (np.abs(angle) > 1.7)
        above = ball[..., 2] - states.car_position[..., 2]
        near = (distance < 450) & (np.abs(angle) < 0.4)
        jump = near & on_ground & (above > 170) & (above < 500)
        dodge = near & in_air & states.car_has_flip & (distance < 300)
        on_roof = in_air & (states.car_up[..., 2] < -0.5) & (states.car_position[..., 2] < 80)
        rested = states.previous_action[..., 5] == 0  # a jump begins with the press of the key
        strike[..., 5] = (jump | dodge | on_roof) & rested
        strike[..., 2] = np.where(dodge, -1, 0)
        controls[self.cars] = strike[self.cars]

    def _angle_to_target(self, states: GameStates, distance: np.ndarray) -> np.ndarray:
        """To where the car should drive, rad to the right: [A,C]."""
        ahead = np.minimum(distance / _USUAL_SPEED, 1.5)[..., None]
        ball = states.ball_position[:, None] + ahead * states.ball_linear_velocity[:, None]
        ball = np.clip(ball, (-SIDE_WALL_X, -BACK_WALL_Y, 0), (SIDE_WALL_X, BACK_WALL_Y, CEILING_Z))
        goal = np.zeros_like(states.car_position)
        goal[..., 1] = np.where(states.car_team == BLUE, BACK_NET_Y, -BACK_NET_Y)
        shot = _unit_on_ground(goal - ball)
        way = _unit_on_ground(ball - states.car_position)
        # Straight through the ball where that is a shot, else around it the more it is not
        astray = (1 - np.einsum("acx,acx->ac", shot, way)) / 2
        behind = np.clip(0.4 * astray * distance, 70, 900)
        target = ball - behind[..., None] * shot - states.car_position
        target[..., 2] = 0
        aside = np.einsum("acx,acx->ac", target, states.car_right)
        return np.arctan2(aside, np.einsum("acx,acx->ac", target, states.car_forward))


def _unit_on_ground(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors without their height: [...,3]."""
    flat = vectors * (1, 1, 0)
    return flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6)
