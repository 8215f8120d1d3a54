"""Necto's observation: ball, players and pads, with timers of pads and demolitions."""

import numba
import numpy as np

from ..constants import N_BOOST_PADS, ORANGE, TICK_SKIP
from ..memory import Memory
from ..state import GameStates
from .base import MAX_PLAYERS, Observation
from .entities import (
    ACTION,
    BIG_PAD,
    MASK,
    MATE,
    N_COLUMNS,
    N_FEATURES,
    N_OTHER_ROWS,
    OPPONENT,
    POSITION,
    SELF,
    VELOCITY,
    write_ball,
    write_car,
    write_pad,
)

_STEP = TICK_SKIP / 1200  # timers count in tens of seconds
_DEMO_TIME = 0.3
_PAD_TIMES = np.where(BIG_PAD, 1.0, 0.4)


class NectoObservation(Observation):
    """Builds Necto's observation and keeps the timers that it shows.

    Row 0 is the query: the player; then the ball, the players, blue first, and the 34
    pads. Unused player rows stand, as published, at the origin; the last column, the
    padding mask, is 1 there. Columns:

        0-4    flags: self, own team, opponent, ball, pad
        5-7    position / 2300                   (key/value rows: relative to the query's)
        8-10   velocity / 2300                   (key/value rows: relative to the query's)
        11-13  forward, 14-16 up
        17-19  angular velocity / 5.5
        20     boost; what a pad gives: 0.12 or 1
        21     timer
        22-23  on ground, has flip
        24-31  the query's previous action
        32     mask

    A timer runs down by tick_skip/1200 a step to 0. A demolished car's starts at 0.3; a
    pad's, as trained, at 0.4 (small) or 1.0 (big) while the pad is *there*, again and again.
    x and y are negated for orange, so every player attacks +y. Source: Necto's published
    observation.
    """

    version = "necto-1"
    n_columns = N_COLUMNS
    n_features = N_FEATURES
    n_other_rows = N_OTHER_ROWS

    def __init__(self, states: GameStates, max_players: int = MAX_PLAYERS) -> None:
        """See `Observation`."""
        super().__init__(states, max_players)
        arenas, cars = states.car_mask.shape
        # In float64, as published: its rounding decides whether a small pad's timer starts
        # again after 60 steps or after 61
        self.pad_timers = np.zeros((arenas, N_BOOST_PADS))
        self.demo_timers = np.zeros((arenas, cars))
        self._demo_times = np.full(cars, _DEMO_TIME)

    @property
    def memory(self) -> Memory:
        """See `Observation`."""
        return Memory({"pad_timers": self.pad_timers}, {"demo_timers": self.demo_timers})

    def update(self, states: GameStates, rows: slice) -> None:
        """Let the timers run; an episode's start sets them back."""
        # A kernel takes microseconds to unpack a whole GameStates: more than this one runs
        _run_timers(
            states.episode_start, states.boost_pad_active, self.pad_timers[rows], _PAD_TIMES
        )
        _run_timers(
            states.episode_start, states.car_is_demoed, self.demo_timers[rows], self._demo_times
        )

    def build(self, states: GameStates, rows: slice, out: np.ndarray) -> None:
        """See `Observation`."""
        _build(states, self.pad_timers[rows], self.demo_timers[rows], out)


@numba.njit(cache=True, nogil=True)
def _run_timers(starts, on, timers, full):
    """One step: a timer runs while its cause is `on`, and starts again when it has run out."""
    for a in range(len(timers)):
        for i in range(timers.shape[1]):
            left = 0.0 if starts[a] else timers[a, i] - _STEP
            if left <= 0:
                left = full[i]
            timers[a, i] = left if on[a, i] else 0.0


@numba.njit(cache=True, nogil=True)
def _build(states, pad_timers, demo_timers, out):
    n = 0
    for a in range(len(pad_timers)):
        for c in range(demo_timers.shape[1]):
            if states.car_mask[a, c]:
                _build_one(states, pad_timers, demo_timers, a, c, out[n])
                n += 1


@numba.njit(cache=True, nogil=True, inline="always")
def _build_one(states, pad_timers, demo_timers, a, c, out):
    first_pad = out.shape[0] - N_BOOST_PADS
    out[:first_pad] = 0
    orange = states.car_team[c] == ORANGE
    turn = np.float32(-1 if orange else 1)
    query = out[0]
    query[SELF] = 1
    query[MATE] = 1
    write_car(states, a, c, turn, demo_timers[a, c], query)
    for i in range(8):
        query[ACTION + i] = states.previous_action[a, c, i]

    write_ball(states, a, turn, out[1])
    row = 2
    for other in range(demo_timers.shape[1]):
        if states.car_mask[a, other]:
            car = out[row]
            row += 1
            car[SELF] = other == c
            car[MATE] = (states.car_team[other] == ORANGE) == orange
            car[OPPONENT] = 1 - car[MATE]
            write_car(states, a, other, turn, demo_timers[a, other], car)
    for padded in range(row, first_pad):
        out[padded, MASK] = 1
    # As locals: stores into `out` would have them read again each time
    x, y, z = query[POSITION], query[POSITION + 1], query[POSITION + 2]
    vx, vy, vz = query[VELOCITY], query[VELOCITY + 1], query[VELOCITY + 2]
    for row in range(1, first_pad):
        entity = out[row]
        entity[POSITION] -= x
        entity[POSITION + 1] -= y
        entity[POSITION + 2] -= z
        entity[VELOCITY] -= vx
        entity[VELOCITY + 1] -= vy
        entity[VELOCITY + 2] -= vz
    for pad in range(N_BOOST_PADS):
        row = out[first_pad + pad]
        write_pad(pad, turn, x, y, z, pad_timers[a, pad], row)
        row[VELOCITY] = -vx
        row[VELOCITY + 1] = -vy
        row[VELOCITY + 2] = -vz
