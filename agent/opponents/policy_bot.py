"""A trained checkpoint, or fresh weights, as a bot."""

import math
from pathlib import Path

import gymnasium
import numpy as np

from ...rewards.errors import one_line
from ...sim.actions import ACTION_TABLES
from ...sim.observations import ACTION_STACK, LucyObservation, Observation, observation_kind
from .. import checkpoint
from ..config import NetworkConfig
from ..fused import logits_of
from ..policy import LucyPolicy
from .network_bot import NetworkBot


class PolicyBot(NetworkBot):
    """Plays a policy, sampling its actions or taking the likeliest."""

    def __init__(
        self,
        name: str,
        policy: LucyPolicy,
        action_table: str,
        observation: type[Observation] = LucyObservation,
        *,
        deterministic: bool = False,
    ) -> None:
        """Play this policy.

        Args:
            name: of the bot.
            policy: its network.
            action_table: what the network's choices mean.
            observation: what it sees.
            deterministic: take every head's likeliest choice instead of sampling.
        """
        sharpness = math.inf if deterministic else 1.0
        table = ACTION_TABLES[action_table]
        super().__init__(name, logits_of(policy), observation, table, sharpness)


def untrained_policy(
    network: NetworkConfig, action_table: str, observation: type[Observation] = LucyObservation
) -> LucyPolicy:
    """A network with fresh weights."""
    table = ACTION_TABLES[action_table]
    shape = (1, observation.n_columns)  # any number of rows
    return LucyPolicy(
        gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32),
        gymnasium.spaces.MultiDiscrete(table.nvec),
        lambda _: 0.0,  # it does not learn here
        network=network,
        action_table=table,
        row_features=observation.n_features,
    )


def checkpoint_bot(path: Path, *, deterministic: bool = False) -> PolicyBot:
    """The bot of a checkpoint.

    Args:
        path: a checkpoint, or a run directory whose newest is meant.
        deterministic: see `PolicyBot`.

    Raises:
        CheckpointError: it is missing, broken or foreign, or of other versions.
    """
    loaded = checkpoint.load(path)
    try:
        seen = loaded.config["environment"]
        # An older Lucy had one observation, and did not say so
        observation = observation_kind(
            seen.get("observation", "lucy"), seen.get("action_stack", ACTION_STACK)
        )
        # No more of the config is read than playing takes: others may be of another time
        network = NetworkConfig.model_validate(loaded.config["network"])
        table = ACTION_TABLES[loaded.versions["action"]].name
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise checkpoint.CheckpointError(
            loaded.path,
            "settings that this Lucy knows",
            f"they are others ({one_line(error)})",
            f"Use the Lucy that saved it ({loaded.versions.get('lucy')}).",
        ) from error
    expected = {"observation": observation.version}
    checkpoint.check_versions(loaded.path, loaded.versions, expected)
    policy = untrained_policy(network, table, observation)
    checkpoint.load_policy_tensors(policy, loaded.policy, source=loaded.path)
    name = str(loaded.path.resolve())  # so that one checkpoint has one name wherever it is named
    return PolicyBot(name, policy, table, observation, deterministic=deterministic)
