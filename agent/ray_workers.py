"""`RayWorkers`: rollout workers as Ray actors, on this machine or on many."""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import ray
import torch
from ray.exceptions import (
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)
from torch import Tensor

from ..rewards.errors import RewardError, one_line
from ..sim.simulation import Collected
from .config import TrainConfig
from .errors import LucyError
from .model import BuildModel, build_model
from .rollout_worker import RolloutWorker
from .rollouts import Finished, RolloutWorkers

_LOST = (RayActorError, NodeDiedError, ObjectLostError, WorkerCrashedError)
_START_SECONDS = 300.0  # for imports, kernels and a place on a machine
_GLANCE_SECONDS = 0.2  # between looks at what the user wants
_DEATHS = 5  # of one worker in one rollout, after which another would die too


class RayWorkers(RolloutWorkers):
    """Every worker is an actor of one core, and one more stands by to replace one that dies.

    The new one plays new episodes and collects what the dead one owed; nothing else is lost.
    """

    def __init__(
        self,
        config: TrainConfig,
        count: int,
        address: str | None,
        notify: Callable[[str], None],
        build: BuildModel = build_model,
    ) -> None:
        """Start Ray or connect to it; the workers start with `reset`.

        Args:
            config: what is trained.
            count: of workers.
            address: of a running Ray, "auto" for the one that this machine belongs to; by
                default one is started here, unless this program already has one.
            notify: told of every worker that is replaced.
            build: makes the learner's model; a function of a module.

        Raises:
            ConfigError: see `RolloutWorkers`.
            LucyError: there is no Ray at the address.
        """
        super().__init__(config.environment, count)
        self._config, self._notify, self._build = config, notify, build
        self._reward = config.environment.reward_spec
        self._actors: list[Any] = []
        self._spare: Any = None
        self._own_ray = not ray.is_initialized()
        if self._own_ray:
            _start_ray(address)

    def begin(self) -> list[Collected]:
        """See `RolloutWorkers`."""
        self._end_actors()
        self._actors = [self._start() for _ in self.shares]
        # The first draws actions as the learner would: alone, it collects the very same
        states = [torch.get_rng_state().numpy(), *[None] * (len(self.shares) - 1)]
        tasks = [self._let_begin(worker, state) for worker, state in enumerate(states)]
        try:
            nothing = ray.get(tasks, timeout=_START_SECONDS)
        except GetTimeoutError as error:
            raise LucyError(
                f"{len(self._actors)} rollout workers did not all start within "
                f"{_START_SECONDS:.0f} s on {ray.cluster_resources().get('CPU', 0):.0f} processors "
                "of Ray: take fewer workers, or see with `ray status` what its machines are doing"
            ) from error
        except (*_LOST, RayTaskError) as error:
            raise _failed("a rollout worker could not start", error) from error
        self._spare = self._stand_by()
        return nothing

    def gather(self, weights: Mapping[str, Tensor]) -> Iterator[tuple[slice, Finished] | None]:
        """See `RolloutWorkers`."""
        request = ray.put({name: tensor.cpu().numpy() for name, tensor in weights.items()})
        deaths = [0] * len(self._actors)
        tasks = {self._ask(worker, request): worker for worker in range(len(self._actors))}
        while tasks:
            ready, _ = ray.wait(list(tasks), timeout=_GLANCE_SECONDS)
            if not ready:
                yield None
            for task in ready:
                worker = tasks.pop(task)
                try:
                    answer = ray.get(task)
                except RayTaskError as error:
                    raise _failed(f"rollout worker {worker} failed", error) from error
                except _LOST as error:
                    deaths[worker] += 1
                    tasks[self._replace(worker, deaths[worker], error)] = worker
                    continue
                if isinstance(answer, Finished):
                    self._collected[worker] = answer.collected
                    yield self.shares[worker].agents, answer
                else:  # a new one has begun
                    tasks[self._ask(worker, request)] = worker

    def close(self) -> None:
        """See `RolloutWorkers`; a Ray that was started here ends too."""
        self._end_actors()
        if self._own_ray:
            ray.shutdown()

    def _start(self) -> Any:
        actor = ray.remote(RolloutWorker).options(scheduling_strategy="SPREAD")
        return actor.remote(self._config, self._reward, self._build)

    def _stand_by(self) -> Any:
        spare = self._start()
        # One arena for nothing: what is imported and loaded for it is there when it must begin
        spare.begin.remote(self._config.environment.modes[:1], self.streams[:1], None)
        return spare

    def _let_begin(self, worker: int, random_state: np.ndarray | None = None) -> Any:
        arenas = self.shares[worker].arenas
        modes = self._config.environment.modes[arenas]
        return self._actors[worker].begin.remote(modes, self.streams[arenas], random_state)

    def _ask(self, worker: int, request: Any) -> Any:
        return self._actors[worker].collect.remote(request, self._progress)

    def _replace(self, worker: int, deaths: int, error: Exception) -> Any:
        if deaths == _DEATHS or getattr(error, "actor_init_failed", False):
            raise LucyError(
                f"rollout worker {worker} has ended {deaths} times over one rollout, so another "
                f"would not do better ({one_line(error)}): if its machine is out of memory, take "
                "fewer arenas or more workers"
            ) from error
        self._notify(
            f"Rollout worker {worker} of {len(self._actors)} has ended; a new one plays its games."
        )
        ray.kill(self._actors[worker])  # it may only have been out of reach
        arenas = self.shares[worker].arenas
        self.streams[arenas] = [stream.spawn(1)[0] for stream in self.streams[arenas]]
        self._actors[worker], self._spare = self._spare, self._stand_by()
        return self._let_begin(worker)

    def _end_actors(self) -> None:
        for actor in [*self._actors, self._spare]:
            if actor is not None:
                ray.kill(actor)
        self._actors, self._spare = [], None


def _failed(what: str, error: Exception) -> Exception:
    """What a worker failed with; Ray's own message has its traceback in it."""
    cause = getattr(error, "cause", None) or error
    return cause if isinstance(cause, RewardError) else LucyError(f"{what}: {one_line(cause)}")


def _start_ray(address: str | None) -> None:
    # Ray would report to its makers that it runs, unless the user has decided otherwise
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    terminate = signal.getsignal(signal.SIGTERM)
    try:
        _check_answers(address or "local")
        ray.init(
            address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, ValueError) as error:
        raise LucyError(
            f"no Ray can be used at {address!r} ({error}): start one with `ray start --head` and "
            "name it with --ray-address auto, or leave --ray-address out to have it started here"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, terminate)  # which Ray takes for itself


def _check_answers(address: str) -> None:
    """Fail at once where nothing listens; Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()
