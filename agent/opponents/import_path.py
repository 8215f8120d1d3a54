"""Bots of a user's own, found by import path: `module:function`.

The function takes nothing and returns a bot: an object with `start` and `act` (see `Bot`), or,
for a policy trained with RLGym-PPO or rlgym-learn, an `RLGymPolicy`.
"""

import importlib
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rlgym.api import ActionParser, ObsBuilder

from ...rewards.errors import one_line
from ...sim.rlgym_states import to_rlgym
from ...sim.state import GameStates
from ..errors import LucyError
from .base import Bot
from .guard import guarded
from .network_bot import Network, choose, in_tiles

IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class ImportPathError(LucyError):
    """A bot cannot be imported; the message says why."""


class RLGymPolicy(NamedTuple):
    """A policy with one discrete action, trained in an RLGym v2 environment."""

    obs_builder: Callable[[], ObsBuilder]  # makes a new one for every game
    action_parser: Callable[[], ActionParser]  # too; without RepeatAction, 8 ticks are held anyway
    logits: Network  # observations [n,...] -> log-probabilities [n,K], always of n = 32 cars


def import_bot_factory(path: str, *, deterministic: bool = False) -> Bot:
    """Import and call a user's function.

    Args:
        path: `module:function`; the module is looked for as every import, then in the
            current folder.
        deterministic: an `RLGymPolicy` takes its likeliest action instead of sampling.

    Raises:
        ImportPathError: it does not import, fails, or returns something else than a bot.
    """
    module, _, name = path.partition(":")
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        importlib.invalidate_caches()
        bot: Any = getattr(importlib.import_module(module), name)()
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        lacks = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        way_out = "; it must be installed or in the current folder" if lacks else ""
        raise ImportPathError(
            f"cannot make the bot {path!r}: {one_line(error)}{way_out}"
        ) from error
    finally:
        sys.path.remove(here)
    if isinstance(bot, RLGymPolicy):
        return guarded(RLGymBot(path, bot, math.inf if deterministic else 1.0), path)
    if not callable(getattr(bot, "start", None)) or not callable(getattr(bot, "act", None)):
        raise ImportPathError(
            f"{path!r} made {type(bot).__name__}: expected a bot, with start(states, cars, random) "
            "and act(states, controls), or an RLGymPolicy"
        )
    return guarded(bot, path)  # the name that it has itself may be another bot's


def _shown(logits: np.ndarray) -> str:
    finite = "finite" if np.isfinite(logits).all() else "not finite"
    return f"an array {list(logits.shape)} that is {finite}"


class RLGymBot:
    """Plays an `RLGymPolicy`; its builders see every game as RLGym's `GameState`.

    `to_rlgym` says what that state lacks. Nothing is shared (`shared_info` is empty).
    """

    def __init__(self, name: str, policy: RLGymPolicy, sharpness: float) -> None:
        """Play this policy, its logits times `sharpness`."""
        self.name = name
        self._policy, self._sharpness = policy, sharpness

    def start(
        self, states: GameStates, cars: np.ndarray, random: list[np.random.Generator]
    ) -> None:
        """Begin a batch of games; see `Bot`."""
        self._cars, self._random = cars, random
        self._builders = [self._policy.obs_builder() for _ in cars]
        self._parsers = [self._policy.action_parser() for _ in cars]

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`."""
        games = np.flatnonzero(self._cars.any(axis=1)).tolist()
        played = [to_rlgym(states, game) for game in games]
        seats: list[tuple[int, int, str]] = []  # which of `games`, slot, RLGym's name of the car
        observations = []
        for index, (game, state) in enumerate(zip(games, played, strict=True)):
            everyone = list(state.cars)  # blue first, as the slots are
            slots = np.flatnonzero(states.car_mask[game]).tolist()
            own = [(index, s, who) for s, who in zip(slots, everyone, strict=True)]
            own = [seat for seat in own if self._cars[game, seat[1]]]
            if states.episode_start[game]:
                self._builders[game].reset(everyone, state, {})
                self._parsers[game].reset(everyone, state, {})
            agents = [who for _, _, who in own]
            seen = self._builders[game].build_obs(agents, state, {})
            observations += [np.asarray(seen[who], np.float32) for who in agents]
            seats += own
        if not seats:
            return
        logits = in_tiles(self._policy.logits, np.stack(observations))
        if logits.ndim != 2 or not np.isfinite(logits).all():
            raise ValueError(f"logits gave {_shown(logits)}: expected finite numbers [n,actions]")
        nvec = np.array([logits.shape[1]])
        chosen = choose(logits, nvec, self._sharpness, self._cars, self._random)
        for (index, slot, who), action in zip(seats, chosen, strict=True):
            game = games[index]
            parsed = self._parsers[game].parse_actions({who: action}, played[index], {})[who]
            controls[game, slot] = np.asarray(parsed).reshape(-1, 8)[0]
