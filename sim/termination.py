"""When episodes end: a goal terminates; too long, or too long without a touch, truncates."""

import numba
import numpy as np

from .constants import GOAL_THRESHOLD_Y, STEPS_PER_SECOND
from .memory import Memory
from .state import GameStates

RUNNING, TERMINATED, TRUNCATED = 0, 1, 2


class EpisodeEnds:
    """Counts each arena's steps and says which episodes have ended.

    A goal ends the episode for good (terminated: no value beyond it); the clocks only cut
    it off (truncated: the learner bootstraps from the last state). A goal on the last
    step counts as a goal.
    """

    def __init__(self, arenas: int, timeout: float = 300.0, no_touch_timeout: float = 45.0) -> None:
        """Start all clocks at zero.

        Args:
            arenas: A.
            timeout: s of play after which an episode is cut off.
            no_touch_timeout: s without a ball touch by any car after which it is.
        """
        self.ended = np.zeros(arenas, np.int8)
        self.steps = np.zeros(arenas, np.int32)
        self.steps_since_touch = np.zeros(arenas, np.int32)
        self._limits = (
            max(1, round(timeout * STEPS_PER_SECOND)),
            max(1, round(no_touch_timeout * STEPS_PER_SECOND)),
        )

    @property
    def memory(self) -> Memory:
        """The clocks."""
        clocks = {"steps": self.steps, "steps_since_touch": self.steps_since_touch}
        return Memory(clocks, {})

    def update(self, states: GameStates, rows: slice) -> np.ndarray:
        """Take in one step of the arenas in `rows`, whose states are given.

        Returns:
            [rows] int8: RUNNING, TERMINATED or TRUNCATED.
        """
        ended = self.ended[rows]
        _update(
            states.ball_position,  # a kernel takes microseconds to unpack a whole GameStates
            states.car_ball_touched,
            self.steps[rows],
            self.steps_since_touch[rows],
            *self._limits,
            ended,
        )
        return ended

    def reset(self, arena: int) -> None:
        """Start one arena's clocks again."""
        self.steps[arena] = 0
        self.steps_since_touch[arena] = 0


@numba.njit(cache=True, nogil=True)
def _update(
    ball_position, car_ball_touched, steps, steps_since_touch, timeout, no_touch_timeout, ended
):
    for a in range(len(ended)):
        steps[a] += 1
        steps_since_touch[a] += 1
        for c in range(car_ball_touched.shape[1]):
            if car_ball_touched[a, c]:
                steps_since_touch[a] = 0
        if abs(ball_position[a, 1]) > GOAL_THRESHOLD_Y:
            ended[a] = TERMINATED
        elif steps[a] >= timeout or steps_since_touch[a] >= no_touch_timeout:
            ended[a] = TRUNCATED
        else:
            ended[a] = RUNNING
