"""`SimulationWorkers`: a simulation split over processes that share its arrays.

Python's lock lets one thread at a time read states and run the loop over arenas, so a
process for every core steps faster than threads do.
"""

import multiprocessing
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from ctypes import Array
from functools import reduce
from multiprocessing.connection import Connection, wait
from operator import add
from typing import Any, NamedTuple

import numpy as np

from . import memory
from .actions import ActionTable
from .engine import TEAM_SIZES, split
from .memory import Saved
from .simulation import AgentLayout, Collected, Simulation
from .stage import Stage

_SECONDS_TO_END = 60.0  # for a process that was told to end, or has ended
_AWAKE_SECONDS = 0.003  # about as long as a CPU infers for a thousand agents

Build = Callable[[Sequence[str]], Simulation]
"""Makes the simulation of arenas with these modes; a picklable function."""


class WorkerError(RuntimeError):
    """A simulation process failed or has ended.

    Attributes:
        failure: What it failed with; None where it has ended, or that cannot travel.
    """

    failure: Exception | None = None


class SimulationWorkers:
    """Stands in for the `Simulation` of all arenas, each process having a share of them.

    This process has one too: it would only wait, and be woken late. Arenas are independent
    and draw from streams of their own, so results are the same at any number of processes.
    """

    def __init__(
        self,
        build: Build,
        modes: Sequence[str],
        action_table: ActionTable,
        observation: tuple[int, int],
        processes: int,
    ) -> None:
        """Start the other processes; each is ready when this returns.

        Args:
            build: makes a share's simulation, inside its process.
            modes: of all arenas.
            action_table: what the agents' discrete actions mean.
            observation: rows and columns of an agent's observation.
            processes: how many with this one, at least 2 and at most one an arena.

        Raises:
            WorkerError: one of them could not start.
        """
        self.action_table = action_table
        self.car_mask = car_mask(modes)
        first_agent = np.concatenate([[0], np.cumsum(self.car_mask.sum(axis=1))])
        self.layout = AgentLayout(int(first_agent[-1]), len(action_table.nvec), observation)
        context = multiprocessing.get_context("spawn")  # the one that every system has
        shared = context.RawArray("b", self.layout.n_bytes)
        self.arrays = self.layout.arrays(memoryview(shared))
        stage = Stage.allocate(self.car_mask)
        stage_memory = context.RawArray("b", stage.n_bytes)
        self.stage = stage.place(memoryview(stage_memory))
        sent = pickle.dumps(build)  # read where a failure to read it can be told
        self._shares = split(len(modes), processes)
        self._agents = [slice(*first_agent[[start, stop]].tolist()) for start, stop in self._shares]
        self._connections: list[Connection] = []
        self._processes: list[Any] = []
        self._started = False
        (_, first), *others = self._shares
        for (start, stop), own in zip(others, self._agents[1:], strict=True):
            ours, theirs = context.Pipe()
            share = _Share(shared, self.layout, own, stage_memory, self.car_mask, start)
            process = context.Process(
                target=_serve,
                args=(theirs, sent, modes[start:stop], share),
                daemon=True,
            )
            process.start()
            theirs.close()  # or the end of the process would not end its pipe
            self._connections.append(ours)
            self._processes.append(process)
        try:
            self._here = build(modes[:first])
            self._here.arrays = self.arrays.of(self._agents[0])
            self._here.stage = self.stage.of(slice(0, first))
            self._await_start()
        except BaseException:
            self.close()
            raise

    def seed(self, streams: Sequence[np.random.SeedSequence]) -> None:
        """See `Simulation`."""
        (_, first), *others = self._shares
        for connection, (start, stop) in zip(self._connections, others, strict=True):
            self._send(connection, "seed", list(streams[start:stop]))
        self._here.seed(streams[:first])
        self._receive()

    def set_roles(self, roles: np.ndarray) -> None:
        """See `Simulation`."""
        (_, first), *others = self._shares
        for connection, (start, stop) in zip(self._connections, others, strict=True):
            self._send(connection, "set_roles", roles[start:stop])
        self._here.set_roles(roles[:first])
        self._receive()

    def reset(self, turn: int) -> None:
        """See `Simulation`."""
        self._ask("reset", turn)

    def start_step(self, turn: int) -> None:
        """Let every process begin the step, and make this one's share of it."""
        for connection in self._connections:
            self._send(connection, "start_step", turn)
        self._here.start_step(turn)

    def finish_step(self) -> None:
        """Wait until the others have made theirs."""
        self._receive()

    def set_progress(self, steps: int) -> None:
        """See `Simulation`."""
        self._ask("set_progress", steps)

    def collect(self) -> Collected:
        """See `Simulation`."""
        return reduce(add, self._ask("collect"))

    def save(self) -> Saved:
        """See `Simulation`."""
        return memory.join(self._ask("save"))

    def restore(self, saved: Mapping[str, np.ndarray], turn: int) -> None:
        """See `Simulation`."""
        first, *others = (
            memory.part(saved, slice(*arenas), agents)
            for arenas, agents in zip(self._shares, self._agents, strict=True)
        )
        self._here.restore(first, turn)  # which refuses what does not fit
        for connection, share in zip(self._connections, others, strict=True):
            self._send(connection, "restore", share, turn)
        self._receive()

    def close(self) -> None:
        """End the processes."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join(timeout=_SECONDS_TO_END)
            process.kill()

    def _await_start(self) -> None:
        """Wait until the other processes are ready."""
        for connection, process in zip(self._connections, self._processes, strict=True):
            # On Windows the pipe of a process that ends too early never ends
            wait([connection, process.sentinel])
            try:
                answered = connection.poll()
            except OSError:
                answered = False
            if not answered:
                raise self._ended(connection)
        self._receive()
        self._started = True

    def _ask(self, method: str, *arguments: Any) -> list[Any]:
        for connection in self._connections:
            self._send(connection, method, *arguments)
        return [getattr(self._here, method)(*arguments), *self._receive()]

    def _send(self, connection: Connection, method: str, *arguments: Any) -> None:
        try:
            connection.send((method, arguments))
        except OSError as error:
            raise self._ended(connection) from error

    def _receive(self) -> list[Any]:
        """The answers of the other processes."""
        answers = []
        for connection in self._connections:
            try:
                _stay_awake(connection)
                answer, failure = connection.recv()
            except (EOFError, OSError) as error:
                raise self._ended(connection) from error
            if failure is not None:
                raise failure.as_error()
            answers.append(answer)
        return answers

    def _ended(self, connection: Connection) -> WorkerError:
        process = self._processes[self._connections.index(connection)]
        process.join(timeout=_SECONDS_TO_END)
        if not self._started and process.exitcode == 1:
            return WorkerError(
                "a simulation process could not start: the program failed when that process "
                "imported it, with the error above. Every process imports the program's file: "
                'what it does must stand under `if __name__ == "__main__":`. Or ask for 1 process'
            )
        return WorkerError(
            f"a simulation process has ended with exit code {process.exitcode}: it was killed, "
            "or ran out of memory; take fewer arenas or processes"
        )


def car_mask(modes: Sequence[str]) -> np.ndarray:
    """[A,C] bool: which slots hold a car in arenas of these modes that share their arrays."""
    sizes = np.array([TEAM_SIZES[mode] for mode in modes])
    return np.tile(np.arange(sizes.max()) < sizes[:, None], 2)


class _Failure(NamedTuple):
    """What a process failed with, on its way to the parent."""

    summary: str
    trace: str
    pickled: bytes | None

    @classmethod
    def of(cls, error: Exception) -> "_Failure":
        summary = " ".join(f"{type(error).__name__}: {error}".split())
        try:
            pickled = pickle.dumps(error)
            pickle.loads(pickled)
        except Exception:  # whatever an error's own way of being pickled raises
            pickled = None
        return cls(summary, traceback.format_exc(), pickled)

    def as_error(self) -> WorkerError:
        error = WorkerError(f"a simulation process failed: {self.summary}")
        error.failure = None if self.pickled is None else pickle.loads(self.pickled)
        error.add_note(self.trace)
        return error


class _Share(NamedTuple):
    """A process's place in the memory that all share."""

    memory: Array  # of the agents' arrays
    layout: AgentLayout
    agents: slice
    stage_memory: Array
    car_mask: np.ndarray  # [A,C] bool, of all arenas
    first_arena: int

    def give(self, simulation: Simulation) -> None:
        """Let the simulation of these arenas and agents work there."""
        arrays = self.layout.arrays(memoryview(self.memory))
        simulation.arrays = arrays.of(self.agents)
        stage = Stage.allocate(self.car_mask).place(memoryview(self.stage_memory))
        simulation.stage = stage.of(
            slice(self.first_arena, self.first_arena + len(simulation.car_mask))
        )


def _stay_awake(connection: Connection) -> None:
    """Look for a message until there is one or it takes long.

    Between two steps of a rollout the wait is short, and to be woken from sleep, on a processor
    that went to sleep too, costs about as much as a step's inference.
    """
    until = time.perf_counter() + _AWAKE_SECONDS
    while not connection.poll() and time.perf_counter() < until:
        pass


def _serve(connection: Connection, build: bytes, modes: Sequence[str], share: _Share) -> None:
    """Answer the parent's calls until it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    try:
        simulation = pickle.loads(build)(modes)
        share.give(simulation)
        connection.send((None, None))
        while True:
            _stay_awake(connection)
            method, arguments = connection.recv()
            connection.send((getattr(simulation, method)(*arguments), None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        connection.send((None, _Failure.of(error)))
