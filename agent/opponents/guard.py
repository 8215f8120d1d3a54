"""What stands between a user's own bot and a game: its mistakes end in one line that names it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...rewards.errors import one_line
from ...sim.state import GameStates
from ..errors import LucyError
from .base import Bot, PartingBot


class BotFailedError(LucyError):
    """A user's bot failed while it played; the message names it and what it did.

    Attributes:
        bot: Its name.
    """

    def __init__(self, bot: str, what: str) -> None:
        super().__init__(f"the bot {bot!r} {what}")
        self.bot = bot


class GuardedBot:
    """Plays a user's bot, and holds it to what a bot may do."""

    def __init__(self, bot: Bot, name: str) -> None:
        """Guard this bot, whose errors go by this name."""
        self._bot, self.name = bot, name

    def start(
        self, states: GameStates, cars: np.ndarray, random: list[np.random.Generator]
    ) -> None:
        """See `Bot`.

        Raises:
            BotFailedError: it raised.
        """
        self._cars = cars
        self._call("start", self._bot.start, states, cars, random)

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`; cars that are not its own keep their controls.

        Raises:
            BotFailedError: it raised, or did not leave controls that can be played.
        """
        before = controls.copy()
        returned = self._call("act", self._bot.act, states, controls)
        if returned is not None and returned is not controls:
            raise BotFailedError(
                self.name,
                f"returned {type(returned).__name__} from act: expected it to write into "
                "`controls`, as in controls[self.cars] = ...",
            )
        before[self._cars] = own = controls[self._cars]
        controls[:] = before
        if not (np.abs(own) <= 1).all():
            wrong = own[~(np.abs(own) <= 1)][0]
            raise BotFailedError(
                self.name, f"wrote {wrong:g} into controls: expected numbers from -1 to 1"
            )

    def _call(self, method: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:  # whatever the user's bot raises
            raise BotFailedError(self.name, f"raised {one_line(error)} in {method}") from error


class GuardedPartingBot(GuardedBot):
    """The same of a bot whose games can be shared out among threads."""

    _bot: PartingBot

    def part(self) -> "GuardedPartingBot":
        """See `PartingBot`."""
        return GuardedPartingBot(self._call("part", self._bot.part), self.name)


def guarded(bot: Bot, name: str) -> Bot:
    """The bot under this name, with a guard before it."""
    parts = callable(getattr(bot, "part", None))  # no PartingBot: it need not have a name yet
    return GuardedPartingBot(bot, name) if parts else GuardedBot(bot, name)
