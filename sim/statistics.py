"""How the game goes: sums over steps of what a trainer wants to see, per arena."""

from typing import NamedTuple

import numba
import numpy as np

from .constants import BACK_NET_Y, GOAL_BACK_Z, GOAL_THRESHOLD_Y, STEPS_PER_SECOND
from .memory import Memory
from .state import GameStates


class GameSums(NamedTuple):
    """What has come together since the last `collect`: [A] float64 each, or their totals."""

    steps: np.ndarray
    car_steps: np.ndarray
    touches: np.ndarray  # onsets, of any car that is counted, as all that is of cars
    touching_steps: np.ndarray  # car-steps with a touch
    in_air: np.ndarray  # car-steps off the ground
    speed: np.ndarray  # uu/s, summed over car-steps
    boost: np.ndarray  # 0..1, summed over car-steps
    demos: np.ndarray
    ball_speed: np.ndarray  # uu/s, summed over steps
    touched_ball_to_goal: np.ndarray  # uu/s toward the toucher's goal, over touching steps
    goals: np.ndarray
    goal_speed: np.ndarray  # uu/s of the ball, summed over goals


class GameStatistics:
    """Sums over all arenas of a pool, updated where the states are still the step's own."""

    def __init__(self, states: GameStates) -> None:
        """Start at zero for a pool with these states."""
        arenas, cars = states.car_mask.shape
        self._sums = GameSums(*(np.zeros(arenas) for _ in GameSums._fields))
        self._touched = np.zeros((arenas, cars), np.bool_)
        self._demoed = np.zeros((arenas, cars), np.bool_)
        self._counted = states.car_mask

    def count(self, cars: np.ndarray) -> None:
        """Take in no other cars than these, [A,C] bool; what is an arena's is always taken in."""
        self._counted = np.ascontiguousarray(cars)

    @property
    def memory(self) -> Memory:
        """What the next step looks back at; not the sums."""
        return Memory({}, {"touched": self._touched, "demoed": self._demoed})

    def update(self, states: GameStates, rows: slice) -> None:
        """Take in one step of the arenas in `rows`, whose states are given."""
        sums = GameSums(*(array[rows] for array in self._sums))
        _update(states, self._counted[rows], self._touched[rows], self._demoed[rows], sums)

    def collect(self) -> GameSums:
        """The totals over all arenas since the last call, which starts the sums again."""
        total = GameSums(*(array.sum() for array in self._sums))
        for array in self._sums:
            array[:] = 0
        return total


def game_means(total: GameSums) -> dict[str, float]:
    """What a trainer wants to see of these totals; empty without a step.

    Returns:
        Minutes are of game time, and a figure per minute is of one car, but for goals
        per minute, which are of one arena.
    """
    if total.steps == 0:
        return {}
    minutes = total.steps / STEPS_PER_SECOND / 60
    car_minutes = total.car_steps / STEPS_PER_SECOND / 60
    means = {
        "touches_per_minute": total.touches / car_minutes,
        "touch_ratio": total.touching_steps / total.car_steps,
        "in_air_ratio": total.in_air / total.car_steps,
        "speed": total.speed / total.car_steps,
        "boost": total.boost / total.car_steps,
        "demos_per_minute": total.demos / car_minutes,
        "ball_speed": total.ball_speed / total.steps,
        "touched_ball_to_goal": total.touched_ball_to_goal / max(total.touching_steps, 1),
        "goals_per_minute": total.goals / minutes,
        "goal_speed": total.goal_speed / max(total.goals, 1),
    }
    return {name: float(mean) for name, mean in means.items()}


@numba.njit(cache=True, nogil=True)
def _norm(vector):
    return np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)


@numba.njit(cache=True, nogil=True)
def _toward_goal(position, velocity, team):
    """û(g-b)·v_b of the goal that the team attacks."""
    dx = -position[0]
    dy = (BACK_NET_Y if team == 0 else -BACK_NET_Y) - position[1]
    dz = GOAL_BACK_Z - position[2]
    return (dx * velocity[0] + dy * velocity[1] + dz * velocity[2]) / np.sqrt(dx**2 + dy**2 + dz**2)


@numba.njit(cache=True, nogil=True)
def _update(states, counted, was_touching, was_demoed, sums):
    for a in range(len(sums.steps)):
        ball_speed = _norm(states.ball_linear_velocity[a])
        sums.steps[a] += 1
        sums.ball_speed[a] += ball_speed
        if abs(states.ball_position[a, 1]) > GOAL_THRESHOLD_Y:
            sums.goals[a] += 1
            sums.goal_speed[a] += ball_speed
        for c in range(states.car_mask.shape[1]):
            if not counted[a, c]:
                continue
            touched, demoed = states.car_ball_touched[a, c], states.car_is_demoed[a, c]
            sums.car_steps[a] += 1
            sums.touches[a] += touched and not was_touching[a, c]
            sums.demos[a] += demoed and not was_demoed[a, c]
            sums.in_air[a] += not states.car_on_ground[a, c]
            sums.speed[a] += _norm(states.car_linear_velocity[a, c])
            sums.boost[a] += states.car_boost[a, c]
            if touched:
                sums.touching_steps[a] += 1
                sums.touched_ball_to_goal[a] += _toward_goal(
                    states.ball_position[a], states.ball_linear_velocity[a], states.car_team[c]
                )
            was_touching[a, c] = touched
            was_demoed[a, c] = demoed
