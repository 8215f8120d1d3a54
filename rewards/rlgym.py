"""Any `RewardSpec` as an RLGym v2 `RewardFunction`."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from rlgym.api import RewardFunction as RLGymReward
from rlgym.rocket_league.api import GameState

from ..sim.rlgym import game_of
from ..sim.rlgym_states import Game
from .function import RewardFunction
from .spec import RewardSpec, load_spec

_ARENA, _WHOLE = np.zeros(1, np.int64), slice(0, 1)


class LucyReward(RLGymReward[Hashable, GameState, float]):
    """Pays in RLGym v2 what `RewardFunction` pays in Lucy's own environment.

    Needs `lucy.sim.rlgym.LucyInfo` as RLGym's shared info provider. `function` is the reward
    of the game under way: its `names` and `decomposition` tell what each term pays.
    """

    def __init__(self, spec: RewardSpec | str) -> None:
        """Pay by a spec.

        Args:
            spec: a spec, or the name of a preset or the path of a TOML file.

        Raises:
            RewardSpecError: no such preset or file, no TOML, or not a valid reward.
        """
        self.function: RewardFunction | None = None
        self._spec = load_spec(spec) if isinstance(spec, str) else spec
        self._game: Game | None = None

    def reset(
        self, agents: list[Hashable], initial_state: GameState, shared_info: dict[str, Any]
    ) -> None:
        """Begin an episode."""
        self._begin(game_of(shared_info))

    def get_rewards(
        self,
        agents: list[Hashable],
        state: GameState,
        is_terminated: dict[Hashable, bool],
        is_truncated: dict[Hashable, bool],
        shared_info: dict[str, Any],
    ) -> dict[Hashable, float]:
        """What this step pays each agent."""
        game = game_of(shared_info)
        function = self.function
        if function is None or game is not self._game:  # RLGym.set_state resets no rewards
            function = self._begin(game)
        function.step(game.states, _WHOLE)
        paid = dict(zip(game.agents, function.total[0].tolist(), strict=True))
        return {agent: paid[agent] for agent in agents}

    def _begin(self, game: Game) -> RewardFunction:
        if self.function is None or self._game is None or game.states is not self._game.states:
            self.function = RewardFunction(self._spec, game.states)
        self._game = game
        self.function.reset(game.states, _ARENA)
        return self.function
