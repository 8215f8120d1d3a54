"""The environment of a training with a league: the learner's agents, and opponents beside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...sim.actions import ACTION_TABLES
from ...sim.observations import ball_forward
from ...sim.simulation import Simulation
from ...sim.vec_env import RocketLeagueVecEnv
from ...sim.workers import SimulationWorkers
from .. import checkpoint
from ..config import TrainConfig
from ..environment import build_simulations
from ..opponents import make_bot
from .cast import PAST, cast_games
from .league import League
from .past_selves import PastSelves
from .results import Results


class LeagueVecEnv(RocketLeagueVecEnv):
    """Some cars are opponents': the agents are the others, n of all N, in their order."""

    def __init__(self, simulation: Simulation | SimulationWorkers, seed: int, league: League):
        """Let the league's opponents play in the simulation; see `RocketLeagueVecEnv`."""
        super().__init__(simulation, seed)
        self.league = league
        self._stage = simulation.stage
        simulation.set_roles(league.cast.roles)
        self._learners = league.cast.learners
        self.num_envs = len(self._learners)
        self._first = np.array([seat.own.start for seat in league.cast.seats])
        layout = simulation.layout
        self._actions = np.zeros((layout.agents, layout.heads), np.int64)

    def reset(self) -> np.ndarray:
        """Begin an episode in every arena: [n,rows,columns] float32."""
        observations = super().reset()
        self.league.begin(self._stage)
        return observations[self._learners]

    def step_async(self, actions: np.ndarray) -> None:
        """Take the learner's actions, [n,heads] integers, let the others choose, and begin."""
        self._actions[self._learners] = actions
        self.league.act(self.simulation.arrays.observations[self._turn], self._actions)
        super().step_async(self._actions)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step every arena; what comes back is of the learner's agents, see `step_wait` there."""
        observations, rewards, dones, infos = super().step_wait()
        for seat in np.flatnonzero(dones[self._first]).tolist():
            last = infos[self._first[seat]]
            scored = ball_forward(last["terminal_observation"]) > 0
            self.league.episode_over(seat, None if last["TimeLimit.truncated"] else bool(scored))
        own = self._learners
        return observations[own], rewards[own], dones[own], [infos[agent] for agent in own]

    def restore(self, saved: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on from what `save` gave, with the opponents that the league was restored with.

        Bots begin anew in the games under way: what they remembered is not saved.

        Returns:
            [n,rows,columns] float32, what the learner's agents see.

        Raises:
            SavedError: it is that of other games.
        """
        observations = super().restore(saved)
        self.league.start_bots(self._stage)
        return observations[self._learners]


def build_league_env(
    config: TrainConfig, checkpoints: Path, versions: Mapping[str, str], device: torch.device
) -> LeagueVecEnv:
    """The environment of a config with a league.

    Args:
        config: of the training.
        checkpoints: folder of the run's checkpoints, which past selves are loaded from.
        versions: that they must have.
        device: where their networks are.

    Raises:
        ConfigError: see `cast_games` and `build_resets`.
        BotError: an unknown bot.
    """
    cast, league = cast_games(config), config.league
    bots = {name: make_bot(name) for name, weight in league.bots.items() if weight}
    random = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(1,)))
    results = Results()
    seats = {i: seat for i, seat in enumerate(cast.seats) if seat.opponent == PAST}
    past = None
    if seats:
        past = PastSelves(
            seats,
            league,
            results,
            random,
            config.network,
            ACTION_TABLES[config.environment.action_table],
            device,
            lambda name: checkpoint.load(checkpoints / name, expected_versions=versions).policy,
        )
    opponents = League(cast, league.refresh, past, bots, results, random)
    return LeagueVecEnv(build_simulations(config.environment), config.seed, opponents)
