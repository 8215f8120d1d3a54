"""The Lucy observation: one matrix a player, written in place by a Numba kernel."""

from functools import cache
from typing import ClassVar

import numba
import numpy as np

from ..constants import CAR_MAX_ANGULAR_SPEED, CAR_MAX_SPEED, ORANGE
from ..memory import Memory
from ..state import GameStates
from .base import MAX_PLAYERS, Observation

ACTION_STACK = 5
N_FEATURES = 23
N_COLUMNS = N_FEATURES + 8 * ACTION_STACK + 1

_POS = np.float32(1 / CAR_MAX_SPEED)
_ANG = np.float32(1 / CAR_MAX_ANGULAR_SPEED)


class LucyObservation(Observation):
    """Builds Lucy's observation and keeps the stack of latest actions that it shows.

    Row 0 is the query: the player; then the ball and the players, blue first. Unused
    rows stand, as published, at the origin; the last column, the padding mask, is 1
    there. Columns:

        0-3    flags: self, own team, opponent, ball
        4-6    position / 2300                   (key/value rows: relative to the query's)
        7-9    velocity / 2300                   (key/value rows: relative to the query's)
        10-12  angular velocity / 5.5
        13-15  forward, 16-18 up
        19-22  boost, on ground, has flip, demoed
        23-62  the query's 5 latest actions, newest first
        63     mask

    `with_stack` shows fewer actions, and has so many columns less.

    x and y are negated for orange, so every player attacks +y. Source: Lucy-SKG,
    section on observations, and its published code.
    """

    version = "lucy-1"
    n_columns = N_COLUMNS
    n_features = N_FEATURES
    n_other_rows = 2
    action_stack: ClassVar[int] = ACTION_STACK  # how many actions the query shows

    def __init__(self, states: GameStates, max_players: int = MAX_PLAYERS) -> None:
        """See `Observation`."""
        super().__init__(states, max_players)
        self.actions = np.zeros((*states.car_mask.shape, self.action_stack, 8), np.float32)

    @staticmethod
    @cache
    def with_stack(length: int) -> "type[LucyObservation]":
        """The same with so many of the latest actions, 0 to 5."""
        if length == ACTION_STACK:
            return LucyObservation
        own = {
            "version": f"{LucyObservation.version}-stack-{length}",
            "n_columns": N_FEATURES + 8 * length + 1,
            "action_stack": length,
        }
        return type(f"LucyObservation{length}", (LucyObservation,), own)

    @property
    def memory(self) -> Memory:
        """See `Observation`."""
        return Memory({}, {"actions": self.actions})

    def update(self, states: GameStates, rows: slice) -> None:
        """Take `previous_action` in as the newest; an episode's start clears the stack."""
        # A kernel takes microseconds to unpack a whole GameStates: more than this one runs
        if self.action_stack:
            _push_actions(states.episode_start, states.previous_action, self.actions[rows])

    def build(self, states: GameStates, rows: slice, out: np.ndarray) -> None:
        """See `Observation`."""
        _build(states, self.actions[rows], out)


def ball_forward(observations: np.ndarray) -> np.ndarray:
    """How far the ball is toward the goal that a player attacks: y in uu, 0 in the middle.

    Args:
        observations: [...,rows,64].

    Returns:
        [...] float32.
    """
    # Row 1 is relative to row 0
    return (observations[..., 0, 5] + observations[..., 1, 5]) / _POS


@numba.njit(cache=True, nogil=True)
def _push_actions(starts, newest, actions):
    for a in range(actions.shape[0]):
        for c in range(actions.shape[1]):
            if starts[a]:
                actions[a, c] = 0
                continue
            for age in range(actions.shape[2] - 1, 0, -1):
                for i in range(8):
                    actions[a, c, age, i] = actions[a, c, age - 1, i]
            for i in range(8):
                actions[a, c, 0, i] = newest[a, c, i]


@numba.njit(cache=True, nogil=True)
def _build(states, actions, out):
    n = 0
    for a in range(actions.shape[0]):
        for c in range(actions.shape[1]):
            if states.car_mask[a, c]:
                _build_one(states, actions, a, c, out[n])
                n += 1


@numba.njit(cache=True, nogil=True, inline="always")
def _build_one(states, actions, a, c, out):
    out[:] = 0
    orange = states.car_team[c] == ORANGE
    turn = np.float32(-1 if orange else 1)
    query = out[0]
    query[0] = 1
    query[1] = 1
    _write_car(states, a, c, turn, query)
    column = N_FEATURES
    for age in range(actions.shape[2]):
        for i in range(8):
            query[column] = actions[a, c, age, i]
            column += 1

    ball = out[1]
    ball[3] = 1
    for axis in range(3):
        sign = turn if axis < 2 else np.float32(1)
        ball[4 + axis] = states.ball_position[a, axis] * sign * _POS - query[4 + axis]
        ball[7 + axis] = states.ball_linear_velocity[a, axis] * sign * _POS - query[7 + axis]
        ball[10 + axis] = states.ball_angular_velocity[a, axis] * sign * _ANG

    row = 2
    for other in range(actions.shape[1]):
        if not states.car_mask[a, other]:
            continue
        car = out[row]
        row += 1
        car[0] = other == c
        car[1] = (states.car_team[other] == ORANGE) == orange
        car[2] = 1 - car[1]
        _write_car(states, a, other, turn, car)
    for padded in range(row, out.shape[0]):
        out[padded, out.shape[1] - 1] = 1
    for row in range(2, out.shape[0]):
        for column in range(4, 10):
            out[row, column] -= query[column]


@numba.njit(cache=True, nogil=True, inline="always")
def _write_car(states, a, c, turn, out):
    for axis in range(3):
        sign = turn if axis < 2 else np.float32(1)
        out[4 + axis] = states.car_position[a, c, axis] * sign * _POS
        out[7 + axis] = states.car_linear_velocity[a, c, axis] * sign * _POS
        out[10 + axis] = states.car_angular_velocity[a, c, axis] * sign * _ANG
        out[13 + axis] = states.car_forward[a, c, axis] * sign
        out[16 + axis] = states.car_up[a, c, axis] * sign
    out[19] = states.car_boost[a, c]
    out[20] = states.car_on_ground[a, c]
    out[21] = states.car_has_flip[a, c]
    out[22] = states.car_is_demoed[a, c]
