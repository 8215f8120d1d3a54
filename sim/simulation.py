"""`Simulation`: physics, reward, observation and resets, stepped together for many agents."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from . import memory
from .actions import ActionTable
from .engine import ArenaPool, Chunk
from .memory import Memory, Saved
from .observations import Observation
from .resets import ResetSource
from .stage import BOT, LEARNER, Stage, first_slots
from .state import GameStates, select
from .statistics import GameStatistics, GameSums
from .termination import EpisodeEnds

_WORD = (1 << 64) - 1


class Reward(Protocol):
    """What a simulation needs of a reward; `lucy.rewards.RewardFunction` is one."""

    total: np.ndarray  # [A,C] float32

    @property
    def memory(self) -> Memory:
        """What its next step looks back at."""
        ...

    def reset(self, states: GameStates, arenas: np.ndarray) -> None:
        """Begin an episode in these arenas."""

    def step(self, states: GameStates, rows: slice) -> None:
        """Pay for one step of the arenas in `rows`."""

    def set_progress(self, steps: int) -> None:
        """Set what is scheduled over the training to where it stands."""

    def count(self, cars: np.ndarray) -> None:
        """Take no other cars than these, [A,C] bool, into what `collect` gives."""

    def collect(self) -> tuple[np.ndarray, ...]:
        """What it paid since the last call, a NamedTuple of arrays that can be added up."""
        ...


class Collected(NamedTuple):
    """What happened in some arenas since the last look; adds up over arenas."""

    game: GameSums
    reward: Any  # of the reward's own kind

    def __add__(self, other: "Collected") -> "Collected":  # pyright: ignore[reportIncompatibleMethodOverride]
        """Both together."""
        return Collected(
            *(
                type(ours)(*(a + b for a, b in zip(ours, theirs, strict=True)))
                for ours, theirs in zip(self, other, strict=True)
            )
        )


class AgentArrays(NamedTuple):
    """What N agents do, see and get: written in place, in shared memory where need be."""

    actions: np.ndarray  # [N,heads] int64
    # The learner stores an observation after the next step has been made, so the array
    # of the step before must outlive it: steps write the two in turn.
    observations: np.ndarray  # [2,N,rows,columns] float32
    terminal: np.ndarray  # [N,rows,columns] float32, an ended episode's last observation
    rewards: np.ndarray  # [N] float32
    ended: np.ndarray  # [N] int8: RUNNING, TERMINATED or TRUNCATED

    def of(self, agents: slice) -> "AgentArrays":
        """The arrays of some agents, as views into the same memory."""
        return AgentArrays(
            self.actions[agents],
            self.observations[:, agents],
            self.terminal[agents],
            self.rewards[agents],
            self.ended[agents],
        )


class AgentLayout(NamedTuple):
    """The sizes that `AgentArrays` follow from."""

    agents: int
    heads: int  # of an action
    observation: tuple[int, int]  # rows and columns

    @property
    def _fields_of_arrays(self) -> list[tuple[tuple[int, ...], type]]:
        return [
            ((self.agents, self.heads), np.int64),
            ((2, self.agents, *self.observation), np.float32),
            ((self.agents, *self.observation), np.float32),
            ((self.agents,), np.float32),
            ((self.agents,), np.int8),
        ]

    @property
    def n_bytes(self) -> int:
        """The memory that the arrays take."""
        return sum(prod(shape) * np.dtype(kind).itemsize for shape, kind in self._fields_of_arrays)

    def arrays(self, memory: memoryview) -> AgentArrays:
        """The arrays in this memory, one behind the other."""
        arrays, offset = [], 0
        for shape, kind in self._fields_of_arrays:
            array = np.frombuffer(memory, kind, prod(shape), offset).reshape(shape)
            arrays.append(array)
            offset += array.nbytes
        return AgentArrays(*arrays)


class AgentGames(Protocol):
    """What an environment stands on: a `Simulation`, or what stands in for one elsewhere."""

    arrays: AgentArrays
    action_table: ActionTable

    @property
    def car_mask(self) -> np.ndarray:
        """[A,C] bool: which slots hold a car, that is an agent."""
        ...

    @property
    def layout(self) -> AgentLayout:
        """The sizes of `arrays`."""
        ...

    def seed(self, streams: Sequence[np.random.SeedSequence]) -> None:
        """Give every arena its own stream of random numbers for its resets."""

    def reset(self, turn: int) -> None:
        """Begin an episode in every arena; the first observations go to `observations[turn]`."""

    def start_step(self, turn: int) -> None:
        """Take `actions` and begin a step, whose observations go to `observations[turn]`."""

    def finish_step(self) -> None:
        """Wait for the step."""

    def set_progress(self, steps: int) -> None:
        """Tell the reward how many agent-steps the training has seen."""

    def collect(self) -> Collected:
        """What happened since the last call."""
        ...

    def save(self) -> Saved:
        """All that the games go on from, here too; nothing if that is not at hand."""
        ...

    def restore(self, saved: Mapping[str, np.ndarray], turn: int) -> None:
        """Go on from what `save` gave; what the agents see goes to `observations[turn]`.

        Raises:
            SavedError: it is that of other games.
        """

    def close(self) -> None:
        """End threads and processes."""


class Simulation:
    """Every car of every arena of a pool is an agent: numbered arena by arena, blue first.

    All of them are the learner's unless `set_roles` says otherwise. An arena whose episode
    ends is reset in the same step.
    """

    def __init__(
        self,
        pool: ArenaPool,
        reward: Reward,
        observation: Observation,
        action_table: ActionTable,
        resets: ResetSource,
        ends: EpisodeEnds,
    ) -> None:
        """Wire the parts together; each must be built for the pool's states.

        Args:
            pool: the physics.
            reward: pays every car.
            observation: shows the game to every car.
            action_table: what the agents' discrete actions mean.
            resets: where episodes start.
            ends: when they end.
        """
        self.pool, self.reward, self.observation = pool, reward, observation
        self.action_table, self.resets, self.ends = action_table, resets, ends
        self.statistics = GameStatistics(pool.states)
        self.arrays = self.layout.arrays(memoryview(bytearray(self.layout.n_bytes)))
        mask = self.car_mask
        self._team_sizes = (mask.sum(axis=1) // 2).tolist()
        self._full = bool(mask.all())  # then agents are the slots, in their order
        self._arena_of_agent = np.nonzero(mask)[0]
        self._controls = np.zeros((*mask.shape, 8), np.float32)
        self._bots: np.ndarray | None = None  # [A,C] bool: which cars bots drive, if any
        self.stage = Stage(pool.states, np.zeros_like(self._controls))

    @property
    def car_mask(self) -> np.ndarray:
        """[A,C] bool: which slots hold a car, that is an agent."""
        return self.pool.states.car_mask

    @property
    def layout(self) -> AgentLayout:
        """The sizes of `arrays`."""
        return AgentLayout(self.pool.n_agents, len(self.action_table.nvec), self.observation.shape)

    def seed(self, streams: Sequence[np.random.SeedSequence]) -> None:
        """Give every arena its own stream of random numbers for its resets."""
        self._random = [np.random.default_rng(stream) for stream in streams]

    def set_roles(self, roles: np.ndarray) -> None:
        """Say who drives the cars, before the first episode.

        Actions are an opponent's too; bots set `stage.controls` of their cars before a step
        and see `stage.states`. What `collect` says of cars and pay is of the learner's.

        Args:
            roles: [A,C] int8, LEARNER, OPPONENT or BOT; there may be more slots than here.
        """
        mask = self.car_mask
        roles = first_slots(roles, mask.shape[1]).reshape(mask.shape)
        learners = mask & (roles == LEARNER)
        self.statistics.count(learners)
        self.reward.count(learners)
        bots = mask & (roles == BOT)
        self._bots = bots if bots.any() else None

    def reset(self, turn: int) -> None:
        """Begin an episode in every arena; the first observations go to `observations[turn]`."""
        observations = self.arrays.observations[turn]
        self.pool.map(lambda chunk: self._reset_chunk(chunk, observations))

    def start_step(self, turn: int) -> None:
        """Take `actions` and write the rest; observations go to `observations[turn]`."""
        arrays = self.arrays
        controls = self.action_table.parse(arrays.actions)
        if self._full:
            self._controls = controls.reshape(self._controls.shape)
        else:
            self._controls[self.car_mask] = controls
        if self._bots is not None:
            played = self.stage.controls_for(self._bots.shape[1])
            np.copyto(self._controls, played, where=self._bots[..., None])
        observations = arrays.observations[turn]
        self.pool.map(lambda chunk: self._step_chunk(chunk, observations))
        total = self.reward.total
        arrays.rewards[:] = total.ravel() if self._full else total[self.car_mask]
        np.take(self.ends.ended, self._arena_of_agent, out=arrays.ended)

    def finish_step(self) -> None:
        """Wait for the step; here `start_step` was the whole of it."""

    def set_progress(self, steps: int) -> None:
        """Tell the reward how many agent-steps the training has seen."""
        self.reward.set_progress(steps)

    def collect(self) -> Collected:
        """What happened since the last call."""
        return Collected(self.statistics.collect(), self.reward.collect())

    def save(self) -> Saved:
        """All that the games go on from, but what `collect` and the learner count.

        The games go on from what is returned here as well, through `restore`: RocketSim keeps
        more than it tells, and only so do both go the same way.
        """
        saved = self._saved()
        self.pool.restore(saved)
        return saved

    def restore(self, saved: Mapping[str, np.ndarray], turn: int) -> None:
        """Go on from what `save` gave; what the agents see goes to `observations[turn]`.

        Raises:
            SavedError: it is that of other games.
        """
        memory.check(saved, self._saved())
        self.pool.restore(saved)
        memory.restore(self._memory, self.car_mask, saved)
        for random, state in zip(self._random, saved["arena/random"], strict=True):
            random.bit_generator.state = _generator_state(state)
        observations = self.arrays.observations[turn]
        for chunk in self.pool.chunks:
            rows = slice(chunk.start, chunk.stop)
            self._observe(chunk.states, rows, observations)
            self._show(chunk.states, rows)

    def _saved(self) -> Saved:
        saved = self.pool.save() | memory.save(self._memory, self.car_mask)
        states = [_generator_words(random.bit_generator.state) for random in self._random]
        return saved | {"arena/random": np.array(states, np.int64)}

    @property
    def _memory(self) -> Memory:
        parts = {
            "reward": self.reward.memory,
            "observation": self.observation.memory,
            "ends": self.ends.memory,
            "statistics": self.statistics.memory,
        }
        gathered = Memory({}, {})
        for part, kept in parts.items():
            gathered.arenas.update({f"{part}.{name}": rows for name, rows in kept.arenas.items()})
            gathered.cars.update({f"{part}.{name}": rows for name, rows in kept.cars.items()})
        return gathered

    def close(self) -> None:
        """End the pool's threads."""
        self.pool.close()

    def _step_chunk(self, chunk: Chunk, observations: np.ndarray) -> None:
        states, rows = chunk.states, slice(chunk.start, chunk.stop)
        self.pool.step_chunk(chunk, self._controls)
        self.reward.step(states, rows)
        self.statistics.update(states, rows)
        self.observation.update(states, rows)
        ended = self.ends.update(states, rows)
        if ended.any():
            self._observe(states, rows, self.arrays.terminal)
            self._restart(np.flatnonzero(ended) + chunk.start)
        self._observe(states, rows, observations)
        self._show(states, rows)

    def _reset_chunk(self, chunk: Chunk, observations: np.ndarray) -> None:
        rows = slice(chunk.start, chunk.stop)
        self._restart(np.arange(chunk.start, chunk.stop))
        self._observe(chunk.states, rows, observations)
        self._show(chunk.states, rows)

    def _show(self, states: GameStates, rows: slice) -> None:
        if self._bots is not None and self.stage.states is not self.pool.states:
            self.stage.show(states, rows)

    def _observe(self, states: GameStates, rows: slice, out: np.ndarray) -> None:
        self.observation.build(states, rows, out[self.observation.agents(rows)])

    def _restart(self, arenas: np.ndarray) -> None:
        for arena in arenas.tolist():
            state = self.resets(self._random[arena], self._team_sizes[arena])
            self.pool.set_state(arena, state)
            self.ends.reset(arena)
            row = slice(arena, arena + 1)
            self.observation.update(select(self.pool.states, row), row)
        self.reward.reset(self.pool.states, arenas)


def _generator_words(state: Any) -> list[int]:
    """A PCG64's state as six signed words."""
    inner = state["state"]
    numbers = (inner["state"], inner["inc"])
    words = [number >> shift & _WORD for number in numbers for shift in (64, 0)]
    signed = [word - (word >> 63 << 64) for word in words]
    return [*signed, state["has_uint32"], state["uinteger"]]


def _generator_state(words: np.ndarray) -> dict[str, Any]:
    """The state that `_generator_words` took apart."""
    numbers = [int(word) & _WORD for word in words]
    inner = {"state": numbers[0] << 64 | numbers[1], "inc": numbers[2] << 64 | numbers[3]}
    rest = {"has_uint32": numbers[4], "uinteger": numbers[5]}
    return {"bit_generator": "PCG64", "state": inner, **rest}
