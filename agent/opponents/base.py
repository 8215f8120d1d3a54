"""What a match needs of a bot."""

from typing import Protocol, runtime_checkable

import numpy as np

from ...sim.state import GameStates


class Bot(Protocol):
    """Plays any number of games at once, its cars in each given by a mask.

    Bots draw every game's random numbers from that game's generator alone, so a game's
    course does not depend on how many others are played beside it.
    """

    name: str

    def start(
        self, states: GameStates, cars: np.ndarray, random: list[np.random.Generator]
    ) -> None:
        """Begin a batch of games.

        When a game is over, another may begin in its arena, with `states.episode_start`: `cars`
        and the generator are then changed in place. With none to follow, the bot has no car
        there any more.

        Args:
            states: of A arenas, one a game.
            cars: [A,C] bool, which cars the bot drives.
            random: one generator a game.
        """

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """Choose the next controls; `states.episode_start` marks fresh kickoffs.

        Args:
            states: now.
            controls: [A,C,8] float32; the bot writes its own cars' rows.
        """


@runtime_checkable
class PartingBot(Bot, Protocol):
    """A bot whose games can be shared out among threads; another plays all of them in one."""

    def part(self) -> "PartingBot":
        """The same bot, to play other games at the same time."""
        ...
