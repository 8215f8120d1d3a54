"""A trained checkpoint, or fresh weights, as a bot."""

import math
from pathlib import Path

import gymnasium
import numpy as np
import torch

from ...sim.actions import ACTION_TABLES
from ...sim.observations import N_COLUMNS, LucyObservation
from .. import checkpoint
from ..config import NetworkConfig
from ..policy import LucyPolicy
from .network_bot import NetworkBot


class PolicyBot(NetworkBot):
    """Plays a policy, sampling its actions or taking the likeliest."""

    def __init__(
        self, name: str, policy: LucyPolicy, action_table: str, *, deterministic: bool = False
    ) -> None:
        """Play this policy.

        Args:
            name: of the bot.
            policy: its network.
            action_table: what the network's choices mean.
            deterministic: take every head's likeliest choice instead of sampling.
        """
        policy.set_training_mode(False)

        def network(observations: np.ndarray) -> np.ndarray:
            return (
                policy.action_logits(torch.from_numpy(observations).to(policy.device)).cpu().numpy()
            )

        sharpness = math.inf if deterministic else 1.0
        super().__init__(name, network, LucyObservation, ACTION_TABLES[action_table], sharpness)


def untrained_policy(network: NetworkConfig, action_table: str) -> LucyPolicy:
    """A network with fresh weights."""
    table = ACTION_TABLES[action_table]
    return LucyPolicy(
        gymnasium.spaces.Box(-np.inf, np.inf, (1, N_COLUMNS), np.float32),  # any number of rows
        gymnasium.spaces.MultiDiscrete(table.nvec),
        lambda _: 0.0,  # it does not learn here
        network=network,
        action_table=table,
    )


def checkpoint_bot(path: Path, *, deterministic: bool = False) -> PolicyBot:
    """The bot of a checkpoint.

    Args:
        path: a checkpoint, or a run directory whose newest is meant.
        deterministic: see `PolicyBot`.

    Raises:
        CheckpointError: it is missing, broken or foreign, or of other versions.
    """
    loaded = checkpoint.load(path, expected_versions={"observation": LucyObservation.version})
    table = loaded.versions["action"]
    # No more of the config is read than playing takes: its other settings may be of another time
    network = NetworkConfig.model_validate(loaded.config["network"])
    policy = untrained_policy(network, table)
    checkpoint.load_policy_tensors(policy, loaded.policy, source=loaded.path)
    return PolicyBot(str(path), policy, table, deterministic=deterministic)
