"""What an exported bot runs: it connects to RLBot and drives the cars it is given."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from rlbot import flat
from rlbot.managers import Hivemind

from ...sim.constants import N_BOOST_PADS
from ...sim.state import allocate, team_slots
from ..opponents import Bot
from .exported import load_bot
from .pilot import Pilot


def run(folder: Path) -> None:
    """Play until RLBot ends the match.

    Args:
        folder: that `lucy export rlbot` wrote.

    Raises:
        ExportError: it is damaged, or of another Lucy.
    """
    torch.set_num_threads(1)  # for one car, threads cost more than they save
    bot = load_bot(folder)
    _warm_up(bot)
    LucyHivemind(bot).run(wants_match_communications=False, wants_ball_predictions=False)


class LucyHivemind(Hivemind):
    """One process for all cars of a team that play this bot."""

    def __init__(self, bot: Bot) -> None:
        """Connect to RLBot, which says in the environment who we are.

        Args:
            bot: what decides.
        """
        super().__init__()
        self._bot = bot

    def initialize(self) -> None:
        """Take the cars that RLBot gives us."""
        self._pilot = Pilot(self._bot, self.field_info, self.indices)
        missing = self._pilot.reader.missing_pads
        if missing:
            self._logger.warning(
                "This field lacks %d of the %d boost pads of a standard one: Lucy plays it as "
                "a field whose missing pads are always empty",
                missing,
                N_BOOST_PADS,
            )

    def get_outputs(self, packet: flat.GamePacket) -> dict[int, flat.ControllerState]:
        """The controls of our cars."""
        return to_controllers(self._pilot.act(packet))


def to_controllers(controls: Mapping[int, np.ndarray]) -> dict[int, flat.ControllerState]:
    """Lucy's controls as RLBot's.

    Args:
        controls: [8] of each car: throttle, steer, pitch, yaw, roll, jump, boost, handbrake.
    """
    return {
        car: flat.ControllerState(*row[:5].tolist(), *(row[5:] > 0.5).tolist())
        for car, row in controls.items()
    }


def _warm_up(bot: Bot) -> None:
    """Compile the kernels now: RLBot waits for us before the kickoff, but not after."""
    states = allocate(np.ones((1, 2), np.bool_), team_slots(1))
    bot.start(states, np.array([[True, False]]), [np.random.default_rng()])
    bot.act(states, np.zeros((1, 2, 8), np.float32))
