"""The learner of a config."""

from collections.abc import Callable

import torch

from ..sim.vec_env import RocketLeagueVecEnv
from .config import TrainConfig
from .policy import LucyPolicy
from .ppo import AuxPPO

BuildModel = Callable[[TrainConfig, RocketLeagueVecEnv, torch.device], AuxPPO]


def build_model(config: TrainConfig, env: RocketLeagueVecEnv, device: torch.device) -> AuxPPO:
    """PPO with fresh weights, drawn from the config's seed."""
    return AuxPPO(
        LucyPolicy,
        env,
        **config.ppo.model_dump(),
        auxiliary=config.auxiliary,
        learner=config.learner,
        seed=config.seed,
        device=device,
        policy_kwargs={
            "network": config.network,
            "action_table": env.simulation.action_table,
            "row_features": config.environment.observation_kind.n_features,
        },
    )
