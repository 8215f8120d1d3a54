"""Bots without a network: `random`, `idle` and `chaser`."""

import numpy as np

from ...sim.actions import ACTION_TABLES
from ...sim.state import GameStates


class Scripted:
    """A bot that keeps nothing but which cars are its own."""

    name = ""

    def start(
        self, states: GameStates, cars: np.ndarray, random: list[np.random.Generator]
    ) -> None:
        """Begin a batch of games; see `Bot`."""
        self.cars, self.random = cars, random


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
