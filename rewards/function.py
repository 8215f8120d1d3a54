"""A `RewardSpec` compiled into a batched, stateful reward with its decomposition.

A spec becomes a short program for a stack machine that one Numba kernel runs for every
car: a new spec compiles nothing. The kernel sees states now and a step before, so
components need no memory of their own.
"""

from typing import NamedTuple

import numba
import numpy as np

from ..sim.constants import BLUE, ORANGE
from ..sim.state import GameStates, select
from .components import COMPONENTS, evaluate
from .krc import krc
from .spec import RewardSpec, Term
from .view import view

_KRC = -1  # in `code`: combine the values on the stack instead of evaluating a component


class Program(NamedTuple):
    """A spec as arrays: M instructions in postfix order, K terms."""

    code: np.ndarray  # [M] int64: component, or _KRC
    inputs: np.ndarray  # [M] int64: how many values a _KRC takes from the stack
    parameters: np.ndarray  # [M,3] float64
    factor: np.ndarray  # [M] float64: weight inside a KRC, 1 for whole terms
    end: np.ndarray  # [K] int64: one past each term's last instruction
    weight: np.ndarray  # [K] float64
    is_potential: np.ndarray  # [K] bool


class Decomposition(NamedTuple):
    """Each term's share in the latest step: [A,C,K] float32, rows of empty slots zero."""

    value: np.ndarray  # as the component's formula gives it
    undistributed: np.ndarray  # what it pays: weighted, potentials as shaping
    reward: np.ndarray  # after team spirit; adds up to the total


class RewardSums(NamedTuple):
    """What each term has paid since the last `collect`: [K] float64, to be added up."""

    car_steps: np.ndarray
    paid: np.ndarray  # after team spirit
    mass: np.ndarray  # of absolute value


def compile_spec(spec: RewardSpec) -> Program:
    """Translate a spec for the kernel."""
    rows: list[tuple[int, int, list[float], float]] = []

    def emit(term: Term, factor: float) -> None:
        for part in term.krc or []:
            emit(part, part.weight)
        if term.krc is None:
            rows.append((COMPONENTS[term.component or ""].code, 0, term.parameters, factor))
        else:
            rows.append((_KRC, len(term.krc), [0.0] * 3, factor))

    ends = []
    for term in spec.terms:
        emit(term, 1.0)
        ends.append(len(rows))
    code, inputs, parameters, factor = zip(*rows, strict=True)
    return Program(
        np.array(code),
        np.array(inputs),
        np.array(parameters),
        np.array(factor),
        np.array(ends),
        np.array([term.weight for term in spec.terms]),
        np.arange(len(ends)) < len(spec.potential),
    )


class RewardFunction:
    """The reward of every car in a pool, step by step.

    F = γΦ(s') - Φ(s) of the potential, plus events, shared out over the teams:
    R'_i = (1-τ)(F+E)_i + τ·mean over own team - z·mean over opponents. F is 0 on an
    episode's first step, as published. Source: Lucy-SKG, section on rewards.
    """

    def __init__(self, spec: RewardSpec, states: GameStates) -> None:
        """Prepare for these states.

        Args:
            spec: what to pay for.
            states: the pool's states, A arenas of C slots.
        """
        shape = (*states.car_mask.shape, len(spec.terms))
        self.names = tuple(term.name for term in spec.terms)
        self.total = np.zeros(shape[:2], np.float32)  # [A,C]
        self.decomposition = Decomposition(*(np.zeros(shape, np.float32) for _ in range(3)))
        self._program = compile_spec(spec)
        self._sharing = (spec.gamma, spec.team_spirit, spec.zero_sum)
        self._before = GameStates(*(array.copy() for array in states))
        self._potential = np.zeros(shape)
        self._first_step = np.ones(shape[0], np.bool_)
        self._stack = np.zeros((shape[0], len(self._program.code)))
        self._means = np.zeros((shape[0], 2, shape[2]))  # [A,team,K]
        self._sums = RewardSums(*(np.zeros((shape[0], shape[2])) for _ in RewardSums._fields))
        self._slices: dict[tuple[int, int], tuple] = {}

    def reset(self, states: GameStates, arenas: np.ndarray) -> None:
        """Begin an episode in these arenas of the pool, whose states are at its start."""
        _reset(states, self._before, self._first_step, arenas)

    def step(self, states: GameStates, rows: slice) -> None:
        """Pay for one step of the arenas in `rows`, whose states are given.

        `total` [A,C] and `decomposition` [A,C,K] are overwritten in these rows.
        """
        key = (rows.start, rows.stop)
        if key not in self._slices:  # slicing 30 arrays costs as much as the kernel
            self._slices[key] = self._slice(rows)
        _step(self._program, *self._sharing, states, *self._slices[key])

    def collect(self) -> RewardSums:
        """The sums over all arenas since the last call, which starts them again."""
        total = RewardSums(*(array.sum(axis=0) for array in self._sums))
        for array in self._sums:
            array[:] = 0
        return total

    def _slice(self, rows: slice) -> tuple:
        return (
            select(self._before, rows),
            self._potential[rows],
            self._first_step[rows],
            self._stack[rows],
            self._means[rows],
            Decomposition(*(array[rows] for array in self.decomposition)),
            self.total[rows],
            RewardSums(*(array[rows] for array in self._sums)),
        )


@numba.njit(cache=True, nogil=True)
def _step(
    program,
    gamma,
    team_spirit,
    zero_sum,
    states,
    before,
    potential,
    first_step,
    stack,
    means,
    parts,
    total,
    sums,
):
    for a in range(total.shape[0]):
        for c in range(total.shape[1]):
            if states.car_mask[a, c]:
                now, past = view(states, a, c), view(before, a, c)
                _values(program, now, past, stack[a], parts.value[a, c])
                _pay(
                    program,
                    gamma,
                    first_step[a],
                    parts.value[a, c],
                    potential[a, c],
                    parts.undistributed[a, c],
                )
        _distribute(
            states.car_mask[a],
            states.car_team,
            team_spirit,
            zero_sum,
            parts.undistributed[a],
            means[a],
            parts.reward[a],
            total[a],
        )
        for c in range(total.shape[1]):
            if states.car_mask[a, c]:
                for k in range(parts.reward.shape[2]):
                    sums.car_steps[a, k] += 1
                    sums.paid[a, k] += parts.reward[a, c, k]
                    sums.mass[a, k] += abs(parts.reward[a, c, k])
        _remember(states, before, a)
        first_step[a] = False


@numba.njit(cache=True, nogil=True, inline="always")
def _values(program, now, before, stack, out):
    """Run the program for one car: out[k] is term k's value."""
    top, at = 0, 0
    for k in range(len(out)):
        while at < program.end[k]:
            code = program.code[at]
            if code == _KRC:
                n = program.inputs[at]
                top -= n
                value = krc(stack, top, n)
            else:
                p = program.parameters
                value = evaluate(code, now, before, p[at, 0], p[at, 1], p[at, 2])
            stack[top] = value * program.factor[at]
            top += 1
            at += 1
        top -= 1
        out[k] = stack[top]


@numba.njit(cache=True, nogil=True, inline="always")
def _pay(program, gamma, first_step, values, potential, out):
    """Weigh the values; of potentials pay the difference and keep the new level."""
    for k in range(len(out)):
        paid = program.weight[k] * values[k]
        if program.is_potential[k]:
            level = paid
            paid = 0.0 if first_step else gamma * level - potential[k]
            potential[k] = level
        out[k] = paid


@numba.njit(cache=True, nogil=True, inline="always")
def _distribute(mask, team, team_spirit, zero_sum, paid, means, out, total):
    """Share each term over the teams of one arena and add up the total."""
    cars, terms = paid.shape
    blue, orange = 0, 0
    for k in range(terms):
        means[BLUE, k] = 0.0
        means[ORANGE, k] = 0.0
    for c in range(cars):
        if mask[c]:
            blue += team[c] == BLUE
            orange += team[c] == ORANGE
            for k in range(terms):
                means[team[c], k] += paid[c, k]
    for k in range(terms):
        means[BLUE, k] /= max(blue, 1)
        means[ORANGE, k] /= max(orange, 1)
    for c in range(cars):
        total[c] = 0
        if mask[c]:
            for k in range(terms):
                own, other = means[team[c], k], means[1 - team[c], k]
                out[c, k] = (1 - team_spirit) * paid[c, k] + team_spirit * own - zero_sum * other
                total[c] += out[c, k]


@numba.njit(cache=True, nogil=True, inline="always")
def _remember(states, before, a):
    """Keep what a view reads of arena a for the next step."""
    # Element by element: assigning whole rows is ten times slower
    for i in range(3):
        before.ball_position[a, i] = states.ball_position[a, i]
        before.ball_linear_velocity[a, i] = states.ball_linear_velocity[a, i]
    for team in range(2):
        before.score[a, team] = states.score[a, team]
    for c in range(states.car_mask.shape[1]):
        for i in range(3):
            before.car_position[a, c, i] = states.car_position[a, c, i]
            before.car_linear_velocity[a, c, i] = states.car_linear_velocity[a, c, i]
        before.car_boost[a, c] = states.car_boost[a, c]
        before.car_ball_touched[a, c] = states.car_ball_touched[a, c]
        before.car_is_demoed[a, c] = states.car_is_demoed[a, c]
        before.car_goals[a, c] = states.car_goals[a, c]
        before.car_saves[a, c] = states.car_saves[a, c]
        before.car_shots[a, c] = states.car_shots[a, c]
        before.car_demos[a, c] = states.car_demos[a, c]


@numba.njit(cache=True, nogil=True)
def _reset(states, before, first_step, arenas):
    for a in arenas:
        _remember(states, before, a)
        first_step[a] = True
