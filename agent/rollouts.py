"""Whole rollouts collected by workers: what a learner gets of them, and asks them for."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ..sim.actions import ACTION_TABLES
from ..sim.engine import split
from ..sim.memory import Saved, SavedError
from ..sim.simulation import AgentLayout, Collected
from ..sim.workers import car_mask
from .buffer import Rollout
from .config import ConfigError, EnvironmentConfig
from .simulation import max_players


class Finished(NamedTuple):
    """What one worker made of one request."""

    rollout: Rollout
    collected: Collected
    episodes: list[dict[str, Any]]  # the latest that ended, as Stable-Baselines3 counts them
    seconds: dict[str, float]  # that it spent, by phase


class Share(NamedTuple):
    """What of the whole is one worker's."""

    arenas: slice
    agents: slice


class RolloutWorkers(ABC):
    """Stands in for the `Simulation` of all arenas, which are shared out to workers.

    It is not stepped: a learner asks it for whole rollouts, see `gather`. Arenas draw from the
    same streams as in one process.
    """

    def __init__(self, settings: EnvironmentConfig, count: int) -> None:
        """Share the arenas out.

        Args:
            settings: of all games.
            count: of workers.

        Raises:
            ConfigError: more workers than arenas.
        """
        if not 1 <= count <= settings.arenas:
            raise ConfigError(
                f"{settings.arenas} arenas cannot be shared out to {count} rollout workers: each "
                "has at least one; take fewer workers or set environment.arenas higher"
            )
        self.action_table = ACTION_TABLES[settings.action_table]
        self.car_mask = car_mask(settings.modes)
        first = np.concatenate([[0], np.cumsum(self.car_mask.sum(axis=1))]).tolist()
        self.layout = AgentLayout(
            first[-1],
            len(self.action_table.nvec),
            settings.observation_kind.shape_for(max_players(settings)),
        )
        self.arrays = self.layout.arrays(memoryview(bytearray(self.layout.n_bytes)))
        self.shares = [
            Share(slice(start, stop), slice(first[start], first[stop]))
            for start, stop in split(settings.arenas, count)
        ]
        self._progress = 0
        self._collected: dict[int, Collected] = {}  # by worker

    @abstractmethod
    def gather(self, weights: Mapping[str, Tensor]) -> Iterator[tuple[slice, Finished] | None]:
        """Let every worker collect a rollout with these weights.

        Args:
            weights: of the policy.

        Yields:
            The agents of a worker and what it collected, in the order in which they finish;
            and None now and then, so that the caller can stop.

        Raises:
            LucyError: a worker failed and would fail again.
        """

    @abstractmethod
    def begin(self) -> list[Collected]:
        """Start every worker, with `streams` for its arenas; what each has collected: nothing.

        Raises:
            LucyError: one cannot start.
        """

    @abstractmethod
    def close(self) -> None:
        """End the workers."""

    def save(self) -> Saved:
        """Nothing: the games are the workers' own."""
        return {}

    def restore(self, saved: Mapping[str, np.ndarray], turn: int) -> None:
        """There is nothing to go on from; see `AgentGames`.

        Raises:
            SavedError: always.
        """
        raise SavedError("rollout workers play games of their own")

    def seed(self, streams: Sequence[np.random.SeedSequence]) -> None:
        """See `Simulation`."""
        self.streams = list(streams)

    def reset(self, turn: int) -> None:
        """Begin an episode in every arena; its observations stay with the workers."""
        self._collected = dict(enumerate(self.begin()))

    def start_step(self, turn: int) -> None:
        """Refuse: see `gather`.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "workers play whole rollouts; single steps cannot be asked of them"
        )

    def finish_step(self) -> None:
        """Refuse: see `gather`.

        Raises:
            NotImplementedError: always.
        """
        self.start_step(0)

    def set_progress(self, steps: int) -> None:
        """See `Simulation`."""
        self._progress = steps

    def collect(self) -> Collected:
        """See `Simulation`."""
        collected, self._collected = self._collected, {}
        return reduce(add, (collected[worker] for worker in sorted(collected)))
