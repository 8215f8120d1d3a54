"""A `RewardSpec` as arrays that the kernels run."""

from typing import NamedTuple

import numpy as np

from .custom import CustomComponent
from .fields import GIVEN, with_dependencies
from .registry import COMPONENTS, FIRST_STATEFUL, MAX_PARAMETERS
from .spec import RewardSpec, Term

KRC, SUM, CUSTOM = -1, -2, -3  # in place of a component's code


class Program(NamedTuple):
    """M nodes, each a component or a combination of earlier nodes; K terms, potentials first."""

    code: np.ndarray  # [M] int64: component, or KRC, SUM, CUSTOM
    first_part: np.ndarray  # [M] int64: in `part`; of a stateful component its memory's row
    n_parts: np.ndarray  # [M] int64
    parameters: np.ndarray  # [M,MAX_PARAMETERS] float64
    part: np.ndarray  # [...] int64: the nodes that combinations are made of
    factor: np.ndarray  # [...] float64: and their weights
    term: np.ndarray  # [K] int64: each term's node
    now: np.ndarray  # [...] int64: fields to compute, sorted
    past: np.ndarray  # [...] int64: fields to keep for the next step, sorted


class Compiled(NamedTuple):
    """A program, and what does not fit into arrays."""

    program: Program
    memory: int  # rows that stateful components remember
    custom: dict[int, tuple[CustomComponent, tuple[float, ...]]]  # node -> what it runs


class _Compiler:
    """Gathers nodes; equal ones are computed once."""

    def __init__(self) -> None:
        self.nodes: list[tuple[int, int, int, tuple[float, ...]]] = []
        self.parts: list[tuple[int, float]] = []
        self.known: dict[tuple, int] = {}
        self.custom: dict[int, tuple[CustomComponent, tuple[float, ...]]] = {}
        self.memory = 0
        self.now: set[int] = set()
        self.past: set[int] = set()

    def node(self, term: Term) -> int:
        """The index of the node that computes this term, its own weight left out."""
        key, add = self._combination(term) if term.parts else self._leaf(term)
        if key not in self.known:
            add()
            self.known[key] = len(self.nodes) - 1
        return self.known[key]

    def _combination(self, term: Term):
        code = KRC if term.krc else SUM
        parts = tuple((self.node(part), part.constant_weight) for part in term.parts)

        def add() -> None:
            self.nodes.append((code, len(self.parts), len(parts), (0.0,) * MAX_PARAMETERS))
            self.parts += parts

        return (code, parts), add

    def _leaf(self, term: Term):
        if term.custom is not None:
            return self._custom(term.custom, tuple(term.parameters.values()))
        kind = COMPONENTS[term.component or ""]
        constants = kind.constants(term.parameters)

        def add() -> None:
            first = self.memory if kind.code >= FIRST_STATEFUL else 0
            self.memory += kind.memory
            self.nodes.append((kind.code, first, 0, constants))
            self.now |= set(kind.now)
            self.past |= set(kind.past)

        return (kind.code, constants), add

    def _custom(self, custom: CustomComponent, parameters: tuple[float, ...]):
        def add() -> None:
            self.custom[len(self.nodes)] = custom, parameters
            self.nodes.append((CUSTOM, 0, 0, (0.0,) * MAX_PARAMETERS))
            self.now |= set(GIVEN)
            self.past |= set(GIVEN)

        return (CUSTOM, custom.name, parameters), add


def compile_spec(spec: RewardSpec) -> Compiled:
    """Translate a spec for the kernels."""
    compiler = _Compiler()
    terms = [compiler.node(term) for term in spec.terms]
    code, first, count, parameters = zip(*compiler.nodes, strict=True)
    program = Program(
        np.array(code, np.int64),
        np.array(first, np.int64),
        np.array(count, np.int64),
        np.array(parameters, np.float64),
        np.array([part for part, _ in compiler.parts], np.int64),
        np.array([factor for _, factor in compiler.parts], np.float64),
        np.array(terms, np.int64),
        _sorted(compiler.now | compiler.past),
        np.array(sorted(compiler.past), np.int64),
    )
    return Compiled(program, compiler.memory, compiler.custom)


def _sorted(fields: set[int]) -> np.ndarray:
    return np.array(sorted(with_dependencies(fields)), np.int64)
