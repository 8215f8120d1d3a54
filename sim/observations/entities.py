"""What Necto's and Nexto's observations share: their columns and how a row is filled."""

import numba
import numpy as np

from ..constants import BOOST_PAD_POSITIONS, CAR_MAX_ANGULAR_SPEED, CAR_MAX_SPEED, N_BOOST_PADS

# Columns; three each for the vectors, eight for the action
SELF, MATE, OPPONENT, BALL, PAD = range(5)
POSITION, VELOCITY, FORWARD, UP, SPIN = 5, 8, 11, 14, 17
BOOST, TIMER, ON_GROUND, HAS_FLIP = 20, 21, 22, 23
N_FEATURES = ACTION = 24
MASK = 32
N_COLUMNS = 33

N_OTHER_ROWS = 2 + N_BOOST_PADS  # the query, the ball and the pads

BIG_PAD = BOOST_PAD_POSITIONS[:, 2] > 72

_POS = np.float32(1 / CAR_MAX_SPEED)
_ANG = np.float32(1 / CAR_MAX_ANGULAR_SPEED)


_PAD_POSITIONS = BOOST_PAD_POSITIONS / np.float32(CAR_MAX_SPEED)
_PAD_GIVES = np.where(BIG_PAD, np.float32(1), np.float32(0.12))


@numba.njit(cache=True, nogil=True, inline="always")
def write_pad(pad, turn, x, y, z, timer, out):
    """Fill a pad's row, relative to (x, y, z); `turn` is -1 for orange."""
    for column in range(PAD):
        out[column] = 0
    out[PAD] = 1
    out[POSITION] = turn * _PAD_POSITIONS[pad, 0] - x
    out[POSITION + 1] = turn * _PAD_POSITIONS[pad, 1] - y
    out[POSITION + 2] = _PAD_POSITIONS[pad, 2] - z
    for column in range(VELOCITY, BOOST):
        out[column] = 0
    out[BOOST] = _PAD_GIVES[pad]
    out[TIMER] = timer
    for column in range(ON_GROUND, N_COLUMNS):
        out[column] = 0


# Inlined, as handing over a GameStates costs more than reading from it
@numba.njit(cache=True, nogil=True, inline="always")
def write_ball(states, a, turn, out):
    """Fill the ball's row; `turn` is -1 for orange, which sees x and y negated."""
    out[BALL] = 1
    for axis in range(3):
        sign = turn if axis < 2 else np.float32(1)
        out[POSITION + axis] = states.ball_position[a, axis] * sign * _POS
        out[VELOCITY + axis] = states.ball_linear_velocity[a, axis] * sign * _POS
        out[SPIN + axis] = states.ball_angular_velocity[a, axis] * sign * _ANG


@numba.njit(cache=True, nogil=True, inline="always")
def write_car(states, a, c, turn, timer, out):
    """Fill the row of car c, but for its flags."""
    for axis in range(3):
        sign = turn if axis < 2 else np.float32(1)
        out[POSITION + axis] = states.car_position[a, c, axis] * sign * _POS
        out[VELOCITY + axis] = states.car_linear_velocity[a, c, axis] * sign * _POS
        out[FORWARD + axis] = states.car_forward[a, c, axis] * sign
        out[UP + axis] = states.car_up[a, c, axis] * sign
        out[SPIN + axis] = states.car_angular_velocity[a, c, axis] * sign * _ANG
    out[BOOST] = states.car_boost[a, c]
    out[TIMER] = timer
    out[ON_GROUND] = states.car_on_ground[a, c]
    out[HAS_FLIP] = states.car_has_flip[a, c]
