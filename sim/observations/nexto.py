"""Nexto's observation: players, ball and pads, turned into the player's heading."""

import math

import numba
import numpy as np

from ..constants import N_BOOST_PADS, ORANGE
from ..state import GameStates
from .base import Observation
from .entities import (
    ACTION,
    FORWARD,
    MASK,
    MATE,
    N_COLUMNS,
    N_FEATURES,
    N_OTHER_ROWS,
    OPPONENT,
    POSITION,
    SELF,
    SPIN,
    UP,
    VELOCITY,
    write_ball,
    write_car,
    write_pad,
)


class NextoObservation(Observation):
    """Builds Nexto's observation; it has no history but the previous action.

    Row 0 is the query: the player; then the players, blue first, the ball and the 34
    pads. Unused player rows stand, as published, at the origin; the last column, the
    padding mask, is 1 there. Columns:

        0-4    flags: self, own team, opponent, ball, pad
        5-7    position / 2300                   (key/value rows: relative to the query's)
        8-10   velocity / 2300
        11-13  forward, 14-16 up
        17-19  angular velocity / 5.5
        20     boost; what a pad gives: 0.12 or 1
        21     demoed; pads: active
        22-23  on ground, has flip
        24-31  the query's previous action
        32     mask

    x and y are negated for orange, so every player attacks +y. The vectors of key/value
    rows are then turned about z by θ = atan2(forward_x, forward_y) of the query:
    x' = x cos θ - y sin θ, y' = x sin θ + y cos θ. Source: Nexto's published observation.
    """

    version = "nexto-1"
    n_columns = N_COLUMNS
    n_features = N_FEATURES
    n_other_rows = N_OTHER_ROWS

    def update(self, states: GameStates, rows: slice) -> None:
        """Nothing to keep: the states hold all that it shows."""

    def build(self, states: GameStates, rows: slice, out: np.ndarray) -> None:
        """See `Observation`."""
        _build(states, out)


@numba.njit(cache=True, nogil=True)
def _build(states, out):
    n = 0
    for a in range(states.car_mask.shape[0]):
        for c in range(states.car_mask.shape[1]):
            if states.car_mask[a, c]:
                _build_one(states, a, c, out[n])
                n += 1


@numba.njit(cache=True, nogil=True, inline="always")
def _build_one(states, a, c, out):
    first_pad = out.shape[0] - N_BOOST_PADS
    out[:first_pad] = 0
    orange = states.car_team[c] == ORANGE
    turn = np.float32(-1 if orange else 1)
    query = out[0]
    query[SELF] = 1
    query[MATE] = 1
    write_car(states, a, c, turn, np.float32(states.car_is_demoed[a, c]), query)
    for i in range(8):
        query[ACTION + i] = states.previous_action[a, c, i]
    sin, cos = _heading(query)

    row = 1
    for other in range(states.car_mask.shape[1]):
        if states.car_mask[a, other]:
            car = out[row]
            row += 1
            car[SELF] = other == c
            car[MATE] = (states.car_team[other] == ORANGE) == orange
            car[OPPONENT] = 1 - car[MATE]
            write_car(states, a, other, turn, np.float32(states.car_is_demoed[a, other]), car)
    for padded in range(row, first_pad - 1):
        out[padded, MASK] = 1
    write_ball(states, a, turn, out[first_pad - 1])
    # As locals: stores into `out` would have them read again each time
    x, y, z = query[POSITION], query[POSITION + 1], query[POSITION + 2]
    for row in range(1, first_pad):
        entity = out[row]
        entity[POSITION] -= x
        entity[POSITION + 1] -= y
        entity[POSITION + 2] -= z
        _rotate(entity, POSITION, sin, cos)
        _rotate(entity, VELOCITY, sin, cos)
        _rotate(entity, FORWARD, sin, cos)
        _rotate(entity, UP, sin, cos)
        _rotate(entity, SPIN, sin, cos)

    for pad in range(N_BOOST_PADS):
        row = out[first_pad + pad]
        write_pad(pad, turn, x, y, z, states.boost_pad_active[a, pad], row)
        _rotate(row, POSITION, sin, cos)


@numba.njit(cache=True, nogil=True, inline="always")
def _heading(query):
    """Sine and cosine of θ; a car that points straight up or down is not turned."""
    x, y = query[FORWARD], query[FORWARD + 1]
    length = math.hypot(x, y)
    if length == 0:
        return np.float32(0), np.float32(1)
    return np.float32(x / length), np.float32(y / length)


@numba.njit(cache=True, nogil=True, inline="always")
def _rotate(row, at, sin, cos):
    x, y = row[at], row[at + 1]
    row[at] = x * cos - y * sin
    row[at + 1] = x * sin + y * cos
