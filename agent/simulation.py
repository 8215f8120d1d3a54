"""The games of a config as a simulation.

The processes that play them import this file, so it stays clear of torch and
Stable-Baselines3, which are slow to load.
"""

from collections.abc import Sequence

from ..rewards.function import RewardFunction
from ..rewards.spec import RewardSpec
from ..sim.actions import ACTION_TABLES
from ..sim.engine import TEAM_SIZES, ArenaPool
from ..sim.simulation import Simulation
from ..sim.termination import EpisodeEnds
from .config import EnvironmentConfig
from .reset_mix import build_resets


def build_simulation(
    settings: EnvironmentConfig, reward: RewardSpec, modes: Sequence[str], threads: int = 1
) -> Simulation:
    """The simulation of some of the arenas, which have these modes."""
    pool = ArenaPool(modes, threads=threads)
    return Simulation(
        pool,
        RewardFunction(reward, pool.states),
        settings.observation_kind(pool.states, max_players(settings)),
        ACTION_TABLES[settings.action_table],
        build_resets(settings),
        EpisodeEnds(len(modes), settings.timeout, settings.no_touch_timeout),
    )


def max_players(settings: EnvironmentConfig) -> int:
    """Cars in the largest arena."""
    return 2 * max(TEAM_SIZES[mode] for mode in settings.modes)
