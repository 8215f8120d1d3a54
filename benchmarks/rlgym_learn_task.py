"""Lucy's task for rlgym-learn: `rlgym_v2` with the 90 lookup actions and flat observations."""

from typing import Any

import numpy as np
from rlgym.api import RLGym
from rlgym.rocket_league.api import GameState

from ..sim.actions import ACTION_TABLES
from ..sim.resets import weighted_mix
from .rlgym_v2 import RESET_MIX, LucyObs, TableAction, make_env

TEAM_SIZE = 2
TIMEOUT, NO_TOUCH_TIMEOUT = 300.0, 30.0  # s
N_FEATURES = (2 + 2 * TEAM_SIZE) * 64


class FlatObs(LucyObs):
    """One vector an agent."""

    def get_obs_space(self, agent: str) -> tuple[str, int]:
        """Its kind and size."""
        return "real", N_FEATURES

    def build_obs(
        self, agents: list[str], state: GameState, shared_info: dict[str, Any]
    ) -> dict[str, np.ndarray]:
        """The rows, one after another."""
        rows = super().build_obs(agents, state, shared_info)
        return {agent: matrix.ravel() for agent, matrix in rows.items()}


class OneChoice(TableAction):
    """A table with one head, as rlgym-learn calls it."""

    def get_action_space(self, agent: str) -> tuple[str, int]:
        """Its kind and the number of choices."""
        return "discrete", self._choices[0]


def make_lucy_env() -> RLGym:
    """2v2 as `lucy bench train` trains it."""
    return make_env(
        TEAM_SIZE,
        weighted_mix(RESET_MIX),
        int(np.random.SeedSequence().generate_state(1)[0]),  # another in every process
        TIMEOUT,
        NO_TOUCH_TIMEOUT,
        FlatObs(),
        OneChoice(ACTION_TABLES["lookup"]),
    )
