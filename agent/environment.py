"""The training environment of a config: in this process, in several, or at rollout workers."""

from collections.abc import Callable
from functools import partial

from ..sim.actions import ACTION_TABLES
from ..sim.processors import usable_processors
from ..sim.simulation import Simulation
from ..sim.vec_env import RocketLeagueVecEnv
from ..sim.workers import SimulationWorkers
from .config import EnvironmentConfig, TrainConfig
from .errors import LucyError
from .model import BuildModel, build_model
from .reset_mix import build_resets
from .simulation import build_simulation, max_players


def build_env(settings: EnvironmentConfig, seed: int) -> RocketLeagueVecEnv:
    """The environment; a run's course does not depend on the number of processes.

    Raises:
        ConfigError: see `build_resets`.
    """
    return RocketLeagueVecEnv(build_simulations(settings), seed)


def build_simulations(settings: EnvironmentConfig) -> Simulation | SimulationWorkers:
    """All games of a config, in this process or in several.

    Raises:
        ConfigError: see `build_resets`.
    """
    build = partial(build_simulation, settings, settings.reward_spec)
    processes = min(settings.processes or usable_processors(), settings.arenas)
    if processes == 1:
        return build(settings.modes)
    build_resets(settings)  # so that files which cannot serve are refused here, in one line
    return SimulationWorkers(
        build,
        settings.modes,
        ACTION_TABLES[settings.action_table],
        settings.observation_kind.shape_for(max_players(settings)),
        processes,
    )


def build_workers_env(
    config: TrainConfig,
    workers: int,
    ray_address: str | None,
    notify: Callable[[str], None],
    build: BuildModel = build_model,
) -> RocketLeagueVecEnv:
    """The environment whose arenas are shared out to rollout workers: see `RayWorkers`.

    Raises:
        ConfigError: see `build_resets` and `RolloutWorkers`.
        LucyError: Ray is not installed or cannot be used.
    """
    build_resets(config.environment)
    try:
        from .ray_workers import RayWorkers
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise LucyError(
            "rollout workers need Ray, which is not installed: "
            'pip install "lucy-skg[ray]", or train without --workers'
        ) from error
    return RocketLeagueVecEnv(RayWorkers(config, workers, ray_address, notify, build), config.seed)
