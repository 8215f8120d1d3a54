"""A network as a bot: a trained checkpoint, or fresh weights."""

from pathlib import Path

import gymnasium
import numpy as np
import torch

from ...sim.actions import ACTION_TABLES
from ...sim.observations import N_COLUMNS, LucyObservation
from ...sim.state import GameStates
from .. import checkpoint
from ..config import NetworkConfig
from ..policy import LucyPolicy


class PolicyBot:
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
        self.name = name
        self._policy = policy
        self._table = ACTION_TABLES[action_table]
        self._deterministic = deterministic
        policy.set_training_mode(False)

    def start(
        self, states: GameStates, cars: np.ndarray, random: list[np.random.Generator]
    ) -> None:
        """Begin a batch of games; see `Bot`."""
        self._cars, self._random = cars, random
        self._own = cars[states.car_mask]  # [N] bool, of all agents
        self._games = slice(0, len(cars))
        self._observation = LucyObservation(states, max_players=cars.shape[1])
        self._observations = np.zeros((len(self._own), *self._observation.shape), np.float32)

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`."""
        self._observation.update(states, self._games)
        self._observation.build(states, self._games, self._observations)
        own = torch.from_numpy(self._observations[self._own]).to(self._policy.device)
        logits = self._policy.action_logits(own).cpu().numpy()
        if not self._deterministic:
            logits = logits + self._gumbel(logits.shape[1])
        edges = np.cumsum(self._table.nvec)[:-1]
        chosen = [head.argmax(axis=1) for head in np.split(logits, edges, axis=1)]
        controls[self._cars] = self._table.parse(np.stack(chosen, axis=1))

    def _gumbel(self, choices: int) -> np.ndarray:
        """Noise under which the largest logit is a sample of the softmax: [agents,choices]."""
        cars = self._cars.sum(axis=1).tolist()
        draws = zip(self._random, cars, strict=True)
        return np.concatenate([random.gumbel(size=(n, choices)) for random, n in draws])


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
