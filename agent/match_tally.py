"""What the cars of matches do: counts and sums by car, row by row of a pool."""

import numba
import numpy as np

from ..sim.constants import BACK_WALL_Y, ORANGE, STEPS_PER_SECOND
from ..sim.state import GameStates

_COUNTERS = ("shots", "saves", "demos")
_THIRD = BACK_WALL_Y / 3  # uu from the halfway line

BALL_SPEED = "ball_speed"
"""The one figure that is no sum over a bot's cars: the ball's mean speed, for both the same."""


class Tally:
    """Sums over the games that are being played, one a row of the pool."""

    def __init__(self, states: GameStates) -> None:
        """Start at zero for a pool with these states."""
        shape = states.car_mask.shape
        self._states = states
        self._steps = np.zeros(shape[0], np.int64)
        self._ball_speed = np.zeros(shape[0])
        self._touches = np.zeros(shape)
        self._boost = np.zeros(shape)
        self._thirds = np.zeros((*shape, 3))
        self._touching = np.zeros(shape, np.bool_)
        self._demoed = np.zeros(shape, np.bool_)
        self._boost_before = np.zeros(shape, np.float32)
        self._counters_before = np.zeros((len(_COUNTERS), *shape), np.int32)

    def begin(self, row: int) -> None:
        """A new game stands in this row."""
        for sums in (self._steps, self._ball_speed, self._touches, self._boost, self._thirds):
            sums[row] = 0
        self._counters_before[:, row] = self._counters()[:, row]
        self.kick_off(row)

    def kick_off(self, row: int) -> None:
        """Cars and ball were placed anew."""
        self._touching[row] = self._demoed[row] = False
        self._boost_before[row] = self._states.car_boost[row]

    def update(self, states: GameStates, rows: slice) -> None:
        """Take in one step of the rows, whose states are given."""
        _update(
            states.ball_linear_velocity,
            states.car_position,
            states.car_boost,
            states.car_ball_touched,
            states.car_is_demoed,
            states.car_team,
            self._touching[rows],
            self._demoed[rows],
            self._boost_before[rows],
            self._steps[rows],
            self._ball_speed[rows],
            self._touches[rows],
            self._boost[rows],
            self._thirds[rows],
        )

    def figures(self, row: int, first_cars: np.ndarray) -> dict[str, tuple[float, float]]:
        """A game's figures so far, the first bot's and the second's.

        Args:
            row: of the game.
            first_cars: [C] bool, which cars the first bot drives; the others are the second's.
        """
        counters = (self._counters() - self._counters_before)[:, row]
        thirds = self._thirds[row].T / STEPS_PER_SECOND
        by_car = {
            "touches": self._touches[row],
            **dict(zip(_COUNTERS, counters, strict=True)),
            "boost_used": 100 * self._boost[row],
            "defensive_third": thirds[0],
            "neutral_third": thirds[1],
            "offensive_third": thirds[2],
        }
        figures = {
            name: (values[first_cars].sum().item(), values[~first_cars].sum().item())
            for name, values in by_car.items()
        }
        speed = (self._ball_speed[row] / max(self._steps[row], 1)).item()
        return figures | {BALL_SPEED: (speed, speed)}

    def _counters(self) -> np.ndarray:
        return np.stack([getattr(self._states, f"car_{name}") for name in _COUNTERS])


@numba.njit(cache=True, nogil=True)
def _update(
    ball_velocity,
    position,
    boost,
    touched,
    demoed,
    team,
    touching,
    was_demoed,
    boost_before,
    steps,
    ball_speed,
    touches,
    boost_used,
    thirds,
):
    for a in range(len(steps)):
        steps[a] += 1
        v = ball_velocity[a]
        ball_speed[a] += np.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2)
        for c in range(len(team)):
            touches[a, c] += touched[a, c] and not touching[a, c]
            # A wreck's boost is gone, not used, and comes back as a third of a tank
            if not demoed[a, c] and not was_demoed[a, c]:
                boost_used[a, c] += max(np.float32(0), boost_before[a, c] - boost[a, c])
            if not demoed[a, c]:
                y = -position[a, c, 1] if team[c] == ORANGE else position[a, c, 1]
                thirds[a, c, 0 if y < -_THIRD else 2 if y > _THIRD else 1] += 1
            touching[a, c] = touched[a, c]
            was_demoed[a, c] = demoed[a, c]
            boost_before[a, c] = boost[a, c]
