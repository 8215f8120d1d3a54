"""The training environment of a config, in this process or in several."""

import os
from functools import partial

from ..rewards.spec import load_spec
from ..sim.actions import ACTION_TABLES
from ..sim.observations import LucyObservation
from ..sim.vec_env import RocketLeagueVecEnv
from ..sim.workers import SimulationWorkers
from .config import EnvironmentConfig
from .reset_mix import build_resets
from .simulation import build_simulation, max_players


def build_env(settings: EnvironmentConfig, seed: int) -> RocketLeagueVecEnv:
    """The environment; a run's course does not depend on the number of processes.

    Raises:
        ConfigError: see `build_resets`.
    """
    build = partial(build_simulation, settings, load_spec(settings.reward))
    processes = min(settings.processes or os.cpu_count() or 1, settings.arenas)
    if processes == 1:
        return RocketLeagueVecEnv(build(settings.modes), seed)
    build_resets(settings)  # so that files which cannot serve are refused here, in one line
    workers = SimulationWorkers(
        build,
        settings.modes,
        ACTION_TABLES[settings.action_table],
        LucyObservation.shape_for(max_players(settings)),
        processes,
    )
    return RocketLeagueVecEnv(workers, seed)
