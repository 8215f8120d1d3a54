"""Whether a replay's play fits the standard field, gravity and ball."""

import numpy as np

from .constants import (
    BACK_NET_Y,
    BACK_WALL_Y,
    BALL_RADIUS,
    BALL_REST_Z,
    BLUE,
    CEILING_Z,
    SIDE_WALL_X,
    TICKS_PER_SECOND,
)
from .replay_header import ReplayError

_GRAVITY = -650.0  # uu/s²
_GRAVITY_TOLERANCE = 200.0  # the mutators' are half and twice the usual and more
_GOAL_SLACK = 600.0  # uu: three frames of a fast ball
_FLIGHT_FRAMES, _ROLL_FRAMES = 100, 900  # that it takes to tell gravity, and the ball's size


def check_play(ticks: np.ndarray, ball: np.ndarray, score: np.ndarray) -> None:
    """The last check that what a file says of itself is true.

    Args:
        ticks: [F] of each frame of one period.
        ball: [F,9] position, velocity, angular velocity.
        score: [F,2] blue, orange.

    Raises:
        ReplayError: the play is another field's, or has another gravity or ball.
    """
    _check_reach(ball[:, :3])
    _check_goals(ball[:, 1], score)
    _check_gravity(ticks, ball)
    _check_size(ball[:, 2])


def _check_reach(position: np.ndarray) -> None:
    reach = np.abs(position).max(axis=0)
    # A little more than the ball's reach: positions come rounded, and walls give way
    if (reach > (SIDE_WALL_X, BACK_NET_Y + BALL_RADIUS, CEILING_Z + BALL_RADIUS)).any():
        raise ReplayError(
            f"was not played on the standard field: the ball reached {reach.round().tolist()}"
        )


def _check_goals(depth: np.ndarray, score: np.ndarray) -> None:
    for frame, team in np.argwhere(np.diff(score, axis=0) > 0):
        missing = BACK_WALL_Y - depth[frame + 1] * (1 if team == BLUE else -1)
        if missing > _GOAL_SLACK:
            raise ReplayError(
                "was not played on the standard field, or not as it says: a goal fell "
                f"{missing:,.0f} uu before the goal line"
            )


def _check_gravity(ticks: np.ndarray, ball: np.ndarray) -> None:
    seconds, change = np.diff(ticks) / TICKS_PER_SECOND, np.diff(ball[:, 3:6], axis=0)
    below, above = np.minimum(ball[1:, 2], ball[:-1, 2]), np.maximum(ball[1:, 2], ball[:-1, 2])
    flies = (below > 250) & (above < 1700) & (np.abs(change[:, :2]) < 15).all(axis=1)
    flies &= (seconds > 0.01) & (seconds < 0.1)
    if flies.sum() < _FLIGHT_FRAMES:
        return
    fall = float(np.median(change[flies, 2] / seconds[flies]))
    if abs(fall - _GRAVITY) > _GRAVITY_TOLERANCE:
        raise ReplayError(
            f"was played with another gravity: its ball speeds up by {fall:.0f} uu/s² in the "
            f"air, expected {_GRAVITY:.0f}"
        )


def _check_size(height: np.ndarray) -> None:
    if len(height) < _ROLL_FRAMES:
        return
    lowest = float(np.quantile(height, 0.01))
    if not 0.85 * BALL_REST_Z < lowest < 1.3 * BALL_REST_Z:
        raise ReplayError(
            f"was played with another ball: it rolls at a height of {lowest:.0f} uu, expected "
            f"{BALL_REST_Z:.0f}"
        )
