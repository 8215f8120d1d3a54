"""Necto and Nexto as bots: their networks on our kernels' observations."""

import math
from pathlib import Path

import numpy as np
import torch

from ...sim.actions import ACTION_TABLES
from ...sim.observations import NectoObservation, NextoObservation
from ...sim.state import GameStates
from .base import Bot
from .bot_files import ARCHITECTURES, check_published, load_weights
from .kickoff import ScriptedKickoff
from .network_bot import NetworkBot

_KBM = ACTION_TABLES["kbm"]
_PITCH, _THROTTLE = 2, 0


def _necto_controls() -> np.ndarray:
    """Keyboard play with pitch as throttle: where Lucy lowers the nose, Necto lifts it."""
    controls = _KBM.controls.copy()
    controls[:, _PITCH] = controls[:, _THROTTLE]
    return controls


TABLES = {
    "necto": _KBM._replace(name="necto", controls=_necto_controls()),
    "nexto": ACTION_TABLES["lookup"],
}


class _SeenByNecto(NectoObservation):
    def update(self, states: GameStates, rows: slice) -> None:
        # Their published loop lets the timer of every car run, demolished or not. With timers
        # that stand still Necto's choices differ on a fifth of all steps, and it loses to Necto-30Y
        demoed = np.ones_like(states.car_is_demoed)
        super().update(states._replace(car_is_demoed=demoed), rows)

    def build(self, states: GameStates, rows: slice, out: np.ndarray) -> None:
        super().build(_with_flips(states), rows, out)


class _SeenByNexto(NextoObservation):
    def build(self, states: GameStates, rows: slice, out: np.ndarray) -> None:
        super().build(_with_flips(states), rows, out)


def _with_flips(states: GameStates) -> GameStates:
    # Their published loop knows no flag: it shows them a flip that is always there. With the
    # true flag Necto loses to itself by 14 goals to 55; Nexto does not mind.
    return states._replace(car_has_flip=np.ones_like(states.car_has_flip))


OBSERVATIONS = {"necto": _SeenByNecto, "nexto": _SeenByNexto}


def sharpness(beta: float) -> float:
    """The factor on the logits that makes a bot as random as the published bots' beta says.

    log₃((1 + β) / (1 − β)): 1 takes the likeliest action, 0.5 samples, 0 plays anything.
    Source: the published bots.
    """
    return math.inf if beta == 1 else math.log((1 + beta) / (1 - beta), 3)


def published_bot(
    name: str, weights: Path, *, beta: float = 1.0, scripted_kickoff: bool = False
) -> Bot:
    """Necto or Nexto, whichever the weights are of.

    Args:
        name: of the bot.
        weights: their file in the bots folder.
        beta: 0..1, see `sharpness`.
        scripted_kickoff: see `ScriptedKickoff`.

    Raises:
        BotFileError: the file cannot be used.
    """
    loaded = load_weights(weights)
    check_published(weights, name.partition(":")[0], loaded)
    module = ARCHITECTURES[loaded.architecture]()
    module.load_state_dict({key: torch.from_numpy(a) for key, a in loaded.tensors.items()})

    def network(observations: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(observations)).numpy()

    kind, table = OBSERVATIONS[loaded.architecture], TABLES[loaded.architecture]
    bot = NetworkBot(name, network, kind, table, sharpness(beta))
    return ScriptedKickoff(bot) if scripted_kickoff else bot
