"""What every observation has in common: its shape, its agents and its life cycle."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from ..memory import Memory
from ..state import GameStates

MAX_PLAYERS = 6


class Observation(ABC):
    """One matrix a car, written in place: row 0 the query, the others key/value rows.

    After each step of the arenas call `update` once, then `build` as often as needed; at an
    episode's start call `update` on its initial state. Different threads may work on
    different arenas at a time.
    """

    version: ClassVar[str]
    n_columns: ClassVar[int]
    n_features: ClassVar[int]  # columns that key/value rows fill; the query's are all but the mask
    n_other_rows: ClassVar[int]  # rows beside those of the players

    def __init__(self, states: GameStates, max_players: int = MAX_PLAYERS) -> None:
        """Prepare for these states.

        Args:
            states: the pool's states, A arenas of C slots.
            max_players: player rows, at least the cars of the fullest arena. Rows beyond
                them are padding that a network pays for and learns nothing from.

        Raises:
            ValueError: fewer rows than an arena has cars.
        """
        cars = states.car_mask.sum(axis=1)
        if cars.max() > max_players:
            raise ValueError(f"an arena has {cars.max()} cars, the observation {max_players} rows")
        self.shape = self.shape_for(max_players)
        self._first_agent = np.concatenate([[0], np.cumsum(cars)])

    @classmethod
    def shape_for(cls, max_players: int) -> tuple[int, int]:
        """Rows and columns of one agent's observation."""
        return cls.n_other_rows + max_players, cls.n_columns

    def agents(self, rows: slice) -> slice:
        """The agents (rows of an observation batch) of the arenas in `rows`."""
        return slice(int(self._first_agent[rows.start]), int(self._first_agent[rows.stop]))

    @property
    def memory(self) -> Memory:
        """Its history."""
        return Memory({}, {})

    @abstractmethod
    def update(self, states: GameStates, rows: slice) -> None:
        """Take one step into the history; an episode's start clears what came before.

        Args:
            states: the states of the arenas in `rows`.
            rows: which arenas of the pool they are.
        """

    @abstractmethod
    def build(self, states: GameStates, rows: slice, out: np.ndarray) -> None:
        """Write the observations of the arenas in `rows`.

        Args:
            states: their states.
            rows: which arenas of the pool they are.
            out: [agents(rows),*shape] float32, overwritten.
        """
