"""A scripted kickoff in front of any bot, as the published bots can be set to play."""

import numpy as np

from ...sim.constants import BLUE
from ...sim.state import GameStates
from .base import PartingBot

_DRIVE = (1, 0, 0, 0, 0, 0, 1, 0)
_SCRIPT = np.array(
    [
        *[_DRIVE] * 5,
        *[(1, -1, 0, 0, 0, 0, 1, 0)] * 2,  # off the line, so that the dodge leads back to it
        (1, 0, 0, 0, 0, 1, 1, 0),
        _DRIVE,  # the key must come up before the second jump
        (1, 0, -0.7, 0.8, 0, 1, 1, 0),
        *[(1, 0, 1, 0, 0, 0, 1, 0)] * 6,  # cancels the dodge, which keeps the nose forward
        *[(1, 0, 0.5, 0, 1, 0, 0, 0)] * 5,
    ],
    np.float32,
)
"""Controls by step of the kickoff. Source: the published bots' script, which is in steps of 4
ticks, at 8 ticks a step."""

_EQUALLY_FAR = 10.0  # uu


class ScriptedKickoff:
    """Plays a bot, but the kickoff of its car that is nearest to the ball by a script.

    Of mates that are equally far the left one goes. The script ends with the first touch.
    """

    def __init__(self, bot: PartingBot) -> None:
        """Play this bot."""
        self.name = bot.name
        self._bot = bot

    def part(self) -> "ScriptedKickoff":
        """See `PartingBot`."""
        return ScriptedKickoff(self._bot.part())

    def start(
        self, states: GameStates, cars: np.ndarray, random: list[np.random.Generator]
    ) -> None:
        """Begin a batch of games; see `Bot`."""
        self._bot.start(states, cars, random)
        self._cars = cars
        self._taker = np.zeros(cars.shape, np.bool_)
        self._step = np.zeros(len(cars), np.int64)

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`."""
        self._bot.act(states, controls)
        fresh = states.episode_start
        if fresh.any():
            self._taker[fresh] = _takers(states, self._cars)[fresh]
        self._step = np.where(fresh, 0, self._step + 1)
        untouched = states.ball_position[:, 1] == 0
        going = self._taker & self._cars & (untouched & (self._step < len(_SCRIPT)))[:, None]
        steps = np.broadcast_to(self._step[:, None], going.shape)
        controls[going] = _SCRIPT[steps[going]]


def _takers(states: GameStates, cars: np.ndarray) -> np.ndarray:
    """Which of a bot's cars go: [A,C] bool, at most one a game."""
    apart = np.linalg.norm((states.car_position - states.ball_position[:, None])[..., :2], axis=-1)
    apart = np.where(states.car_mask, apart, np.inf)
    nearest = cars & (apart <= apart.min(axis=1, keepdims=True) + _EQUALLY_FAR)
    # Blue looks along +y, and x grows to its left
    left = np.where(states.car_team == BLUE, 1, -1) * states.car_position[..., 0]
    leftmost = np.where(nearest, left, -np.inf).argmax(axis=1)
    return nearest & (np.arange(cars.shape[1]) == leftmost[:, None])
