"""A `RewardSpec` compiled into a batched, stateful reward with its decomposition.

A spec becomes a short program that one Numba kernel runs for a block of arenas at once: a
new spec compiles nothing, and every loop runs over cars side by side in memory.
"""

from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np

from ..sim.memory import Memory
from ..sim.state import GameStates
from .combine import krc, weighted_sum
from .fields import CAR, N_FIELDS, derive, gather, source_table
from .program import CUSTOM, KRC, Compiled, compile_spec
from .registry import FIRST_STATEFUL, evaluate, evaluate_stateful
from .settle import N_MOMENTS, settle
from .spec import RewardSpec
from .statistics import RewardSums, add_sums

BLOCK = 32  # arenas that are worked on at a time, so that they stay in cache
_READ, _PAY = 1, 2  # the halves of a step: custom components run between them
_KNOWN_STATES = 256  # whose tables of sources are kept


class Decomposition(NamedTuple):
    """Each term's share in the latest step: [A,C,K] float32, zero in empty slots."""

    value: np.ndarray  # as the component's formula gives it
    weighted: np.ndarray  # times its weight
    undistributed: np.ndarray  # what it pays: weighted, potentials as shaping
    reward: np.ndarray  # after team spirit; adds up to the total


class RewardFunction:
    """The reward of every car in a pool, step by step.

    F = γΦ(s') - Φ(s) of the potential, plus events, shared out over the teams:
    R'_i = (1-τ)(F+E)_i + τ·mean over own team - z·mean over opponents. F is 0 on an
    episode's first step, as published. Source: Lucy-SKG, section on rewards.
    """

    def __init__(
        self,
        spec: RewardSpec,
        states: GameStates,
        *,
        decompose: bool = True,
        statistics: bool = True,
        rows: int | None = None,
    ) -> None:
        """Prepare for these states.

        Args:
            spec: what to pay for.
            states: the pool's states, A arenas of C slots.
            decompose: also fill `decomposition`.
            statistics: also keep the sums that `collect` returns; needs `decompose`.
            rows: of `total` and `decomposition`, to `replay` that many steps; default A.
        """
        arenas, cars = states.car_mask.shape
        rows = arenas if rows is None else rows
        self._spec, self._shape = spec, (arenas, cars)
        self._compiled = compiled = compile_spec(spec)
        self._team = np.ascontiguousarray(states.car_team, np.int64)
        self._memory = _Memory.allocate(compiled, len(spec.potential), arenas, cars)
        self._sharing = np.array(
            [spec.gamma, spec.team_spirit, spec.zero_sum, decompose, decompose and statistics, 0]
        )
        self._weight = np.zeros(len(spec.terms))
        self.names = tuple(term.name for term in spec.terms)
        self.set_progress(0)
        self.total = np.zeros((rows, cars), np.float32)  # [A,C]
        self._parts = np.zeros((4, len(spec.terms), cars, rows), np.float32)
        self._written = np.zeros((len(spec.terms), rows), np.bool_)
        self.decomposition = Decomposition(*self._parts.transpose(0, 3, 2, 1))
        self._rooms: dict[tuple[int, int], _Room] = {}  # of each range of arenas
        self._sources: dict[int, tuple[GameStates, np.ndarray]] = {}

    def set_progress(self, steps: int) -> None:
        """Set the weights to what their schedules say after so many agent-steps of training."""
        self._weight[:] = [term.weight_at(steps) for term in self._spec.terms]

    @property
    def memory(self) -> Memory:
        """What the next step looks back at; not the statistics."""
        kept = self._memory
        cars = {"past": kept.past, "level": kept.level, "stateful": kept.stateful}
        by_car = {name: array.transpose(2, 1, 0) for name, array in cars.items()}
        return Memory({"first": kept.first}, by_car)

    def reset(self, states: GameStates, arenas: np.ndarray) -> None:
        """Begin an episode in these arenas of the pool, whose states are at its start."""
        rows = np.ascontiguousarray(arenas, np.int64)
        self._begin_episodes(self._table(states), rows, rows)

    def _begin_episodes(self, table: np.ndarray, rows: np.ndarray, arenas: np.ndarray) -> None:
        program, memory = self._compiled.program, self._memory
        _reset(
            table,
            rows,
            arenas,
            program.now,
            program.past,
            self._team,
            memory.past,
            memory.stateful,
            memory.first,
        )

    def step(self, states: GameStates, rows: slice) -> None:
        """Pay for one step of the arenas in `rows`, whose states are given.

        `total` [A,C] and `decomposition` [A,C,K] are overwritten in these rows. Threads may
        step disjoint rows at once.

        Raises:
            CustomError: a user's component raised, or gave what is not finite.
            ValueError: there are not as many states as rows.
        """
        count = rows.stop - rows.start
        if len(states.score) != count:
            raise ValueError(
                f"rows {rows.start} to {rows.stop} need the states of {count} arenas, "
                f"got {len(states.score)}"
            )
        room = self._room(rows.start, rows.stop)
        self._run(room, self._table(states), 0, rows.start, rows.start, count)

    def replay(self, states: GameStates, starts: np.ndarray) -> None:
        """Pay for one arena's steps in turn, each into a row of its own.

        Args:
            states: T rows, one a step.
            starts: [T] bool, the rows that an episode begins with: nothing is paid there.
        """
        room, table = self._room(0, 1), self._table(states)
        for t, begins in enumerate(starts.tolist()):
            if begins:
                self._begin_episodes(table, np.array([t]), np.array([0]))
            else:
                self._run(room, table, t, 0, t, 1)

    def count(self, cars: np.ndarray) -> None:
        """Take no other cars than these, [A,C] bool, into the statistics; all are paid."""
        self._memory.counted[:] = cars.T
        self._sharing[5] = not cars.all()

    def collect(self) -> RewardSums:
        """The statistics of all steps since the last call."""
        rooms = [self._rooms[key] for key in sorted(self._rooms)]
        sums = add_sums([room.sums() for room in rooms or [self._new_room(0)]])
        for room in rooms:
            room.moments[:] = 0
            room.totals[:] = 0
        return sums

    def _table(self, states: GameStates) -> np.ndarray:
        """Where the states' arrays are; states that come again are looked at once."""
        known = self._sources.get(id(states))
        if known is None:
            if len(self._sources) >= _KNOWN_STATES:
                self._sources.clear()
            known = states, source_table(states, self._shape[1])
            self._sources[id(states)] = known
        return known[1]

    def _room(self, start: int, stop: int) -> "_Room":
        room = self._rooms.get((start, stop))
        if room is None:
            room = self._rooms[start, stop] = self._new_room(stop - start)
        return room

    def _new_room(self, arenas: int) -> "_Room":
        block = arenas if self._compiled.custom else min(arenas, BLOCK)
        width = max(2, self._shape[1]) * max(1, block)
        nodes, terms = len(self._compiled.program.code), len(self.names)
        return _Room(
            np.zeros((N_FIELDS, width)),
            np.zeros((N_FIELDS, width)),
            np.zeros((nodes, width)),
            np.zeros((6, width)),
            np.zeros((2, terms, N_MOMENTS)),
            np.zeros(3),
        )

    def _run(
        self, room: "_Room", table: np.ndarray, read: int, arena: int, write: int, count: int
    ) -> None:
        """Step arenas `arena` on, whose states are rows `read` on, into rows `write` on."""
        memory, inputs = self._memory, (self._team, self._weight, self._sharing)
        outputs = (*memory, *room, self._parts, self._written, self.total)
        program, where = self._compiled.program, (read, arena, write, count)
        if not self._compiled.custom:
            _step(_READ | _PAY, table, *where, *program, *inputs, *outputs)
            return
        _step(_READ, table, *where, *program, *inputs, *outputs)
        for node, (custom, parameters) in self._compiled.custom.items():
            size = self._shape[1] * count
            custom.pay(room.now, room.past, parameters, room.values[node, :size])
        _step(_PAY, table, *where, *program, *inputs, *outputs)


class _Memory(NamedTuple):
    """What is kept of each arena from step to step."""

    past: np.ndarray  # [N_FIELDS,C,A] float64
    level: np.ndarray  # [P,C,A] float64: each potential's Φ
    first: np.ndarray  # [A] bool: the next step is an episode's first
    stateful: np.ndarray  # [rows,C,A] float64: of the components that remember
    counted: np.ndarray  # [C,A] bool: whom the statistics take in, where not everyone

    @classmethod
    def allocate(cls, compiled: Compiled, potentials: int, arenas: int, cars: int) -> "_Memory":
        return cls(
            np.zeros((N_FIELDS, cars, arenas)),
            np.zeros((potentials, cars, arenas)),
            np.ones(arenas, np.bool_),
            np.zeros((compiled.memory, cars, arenas)),
            np.ones((cars, arenas), np.bool_),
        )


class _Room(NamedTuple):
    """Where a range of arenas is worked on, and its statistics."""

    now: np.ndarray  # [N_FIELDS,width] float64, a block's fields
    past: np.ndarray  # [N_FIELDS,width] and a step before
    values: np.ndarray  # [M,width] the nodes' values
    scratch: np.ndarray  # [6,width]
    moments: np.ndarray  # [2,K,N_MOMENTS]
    totals: np.ndarray  # [3]

    def sums(self) -> RewardSums:
        """A copy of the statistics."""
        moments = (column.copy() for kind in self.moments for column in kind.T)
        return RewardSums(self.totals[0].copy(), self.totals[1:].copy(), *moments)


kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


@kernel
def _step(
    halves, table, read, arena, write, count,
    code, first_part, n_parts, parameters, part, factor, term, now_fields, past_fields,
    team, weight, sharing,
    kept, level, first, stateful, counted,
    now, past, values, scratch, moments, totals,
    parts, written, total,
):  # fmt: skip
    """A step, block by block."""
    block = now.shape[1] // max(2, len(team))
    done = 0
    while done < count:
        n = min(block, count - done)
        here = arena + done
        if halves & _READ:
            _read(table, read + done, here, n, now_fields, past_fields, team, kept, now, past)
        if halves & _PAY:
            _evaluate(
                code, first_part, n_parts, parameters, part, factor,
                team, n, here, stateful, now, past, values, scratch,
            )  # fmt: skip
            _keep(past_fields, team, n, here, now, kept)
            settle(
                term, weight, sharing, values, now[CAR, : len(team) * n], team, n, here,
                first, level, counted, scratch, write + done,
                parts, written, total, moments, totals,
            )  # fmt: skip
            for a in range(here, here + n):
                first[a] = False
        done += n


def is_compiled() -> bool:
    """Whether Numba keeps this room's kernels from an earlier start; if not, it takes a while."""
    folder = _step.stats.cache_path
    return folder is not None and any(Path(folder).glob("function._step-*.nbi"))


@kernel
def _read(table, read, arena, n, now_fields, past_fields, team, kept, now, past):
    """A block's fields, now and a step before."""
    gather(table, now_fields, team, read, n, now)
    derive(now_fields, now, len(team) * n)
    for field in past_fields:
        for c in range(len(team)):
            for i in range(n):
                past[field, c * n + i] = kept[field, c, arena + i]


@kernel
def _keep(past_fields, team, n, arena, now, kept):
    """Keep of a block what its next step will look back at."""
    for field in past_fields:
        for c in range(len(team)):
            for i in range(n):
                kept[field, c, arena + i] = now[field, c * n + i]


@kernel
def _evaluate(
    code, first_part, n_parts, parameters, part, factor,
    team, n, arena, stateful, now, past, values, scratch,
):  # fmt: skip
    """Fill every node's row of values; a combination's parts come before it."""
    m = len(team) * n
    for j in range(len(code)):
        out, p, first = values[j, :m], parameters[j], first_part[j]
        parts, factors = part[first : first + n_parts[j]], factor[first : first + n_parts[j]]
        if code[j] == CUSTOM:
            continue
        if code[j] == KRC:
            krc(values, parts, factors, scratch[0, :m], out)
        elif code[j] < 0:
            weighted_sum(values, parts, factors, out)
        elif code[j] < FIRST_STATEFUL:
            evaluate(code[j], now, past, p, out)
        else:
            evaluate_stateful(code[j], now, past, p, team, n, stateful[first:], arena, out)


@kernel
def _reset(table, rows, arenas, now_fields, past_fields, team, kept, stateful, first):
    """Begin episodes: what comes next looks back at these states."""
    now = np.zeros((N_FIELDS, len(team)))
    for j in range(len(arenas)):
        a = arenas[j]
        gather(table, now_fields, team, rows[j], 1, now)
        derive(now_fields, now, len(team))
        _keep(past_fields, team, 1, a, now, kept)
        for row in range(stateful.shape[0]):
            for c in range(len(team)):
                stateful[row, c, a] = 0.0
        first[a] = True
