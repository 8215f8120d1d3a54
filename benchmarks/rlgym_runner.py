"""Timed play of the RLGym v2 environment, in this process or in several at once."""

import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ..sim.actions import ACTION_TABLES
from ..sim.resets import weighted_mix
from .rlgym_v2 import RESET_MIX, make_env

N_BATCHES = 64  # of random actions, which every variant plays over and over
_WARM_UP = 1.0  # s


def random_actions(seed: int, arenas: int, team_size: int) -> np.ndarray:
    """The benchmark's actions: [N_BATCHES,arenas,2·team_size,5] integers of the "kbm" table."""
    nvec = ACTION_TABLES["kbm"].nvec
    shape = (N_BATCHES, arenas, 2 * team_size, len(nvec))
    return np.random.default_rng(seed).integers(0, nvec, shape)


class RlgymRunner:
    """One RLGym v2 environment, stepped and reset by the clock."""

    def __init__(self, team_size: int, seed: int, arena: int = 0) -> None:
        """Build the environment and begin an episode.

        Args:
            team_size: cars a side.
            seed: of resets and actions.
            arena: which arena's actions of the batched variants to play.
        """
        self._env = make_env(team_size, weighted_mix(RESET_MIX), seed + arena)
        agents = list(self._env.reset())
        self._batches = [
            dict(zip(agents, batch[arena], strict=True))
            for batch in random_actions(seed, arena + 1, team_size)
        ]
        self._steps = 0

    def run(self, seconds: float) -> float:
        """Play for so long: agent-steps a second."""
        env, batches = self._env, self._batches
        steps, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            actions = batches[(self._steps + steps) % N_BATCHES]
            _, _, terminated, truncated = env.step(actions)
            if any(terminated.values()) or any(truncated.values()):
                env.reset()
            steps += 1
        self._steps += steps
        return steps * len(batches[0]) / elapsed


class RlgymProcesses:
    """Several processes, each with an environment of its own, that play at the same time."""

    def __init__(self, processes: int, team_size: int, seed: int) -> None:
        """Start them; each is ready when this returns.

        Raises:
            RuntimeError: one of them could not start.
        """
        self.count = processes
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(processes)
        pipes = [context.Pipe() for _ in range(processes)]
        self._connections = [ours for ours, _ in pipes]
        self._processes = [
            context.Process(
                target=_serve, args=(theirs, barrier, team_size, seed, index), daemon=True
            )
            for index, (_, theirs) in enumerate(pipes)
        ]
        for process in self._processes:
            process.start()
        for _, theirs in pipes:  # or the end of a process would not end its pipe
            theirs.close()
        self._ask(None)

    def run(self, seconds: float) -> float:
        """Let all play for so long: agent-steps a second of them together.

        Raises:
            RuntimeError: one of them has ended.
        """
        return sum(self._ask(seconds))

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def _ask(self, seconds: float | None) -> list[float]:
        """Each process's answer, to a request or to having been started."""
        try:
            if seconds is not None:
                for connection in self._connections:
                    connection.send(seconds)
            return [connection.recv() for connection in self._connections]
        except (EOFError, OSError) as error:
            self.close()
            raise RuntimeError(
                "a process of the RLGym v2 benchmark ended early; its own message is above"
            ) from error


def _serve(connection: Connection, barrier: Any, team_size: int, seed: int, index: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    runner = RlgymRunner(team_size, seed, arena=index)
    connection.send(runner.run(_WARM_UP))
    while True:
        try:
            seconds = connection.recv()
        except EOFError:  # the parent has gone
            return
        barrier.wait()
        connection.send(runner.run(seconds))
