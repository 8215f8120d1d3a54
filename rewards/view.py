"""`View`: what a reward component sees of one car, as plain numbers."""

from typing import NamedTuple

import numba

from ..sim.constants import ORANGE


class View(NamedTuple):
    """One car and the ball in team-relative coordinates: the car attacks the goal at +y.

    x and y are negated for orange, so a component's formula is the same for both teams.
    Positions in uu, velocities in uu/s; flags and counters as numbers, so that an event
    is the increase of a field from one step to the next.
    """

    ball_x: float
    ball_y: float
    ball_z: float
    ball_vx: float
    ball_vy: float
    ball_vz: float
    x: float
    y: float
    z: float
    vx: float
    vy: float
    vz: float
    boost: float  # 0..1
    touched: float  # 0 or 1
    demoed: float  # 0 or 1
    goals: float
    saves: float
    shots: float
    demos: float
    team_goals: float
    conceded: float


# Inlined, as what calls it: handing over a GameStates costs more than reading from it.
@numba.njit(cache=True, nogil=True, inline="always")
def view(states, a, c):
    """The view of car c in arena a."""
    team = states.car_team[c]
    turn = -1.0 if team == ORANGE else 1.0
    return View(
        ball_x=turn * states.ball_position[a, 0],
        ball_y=turn * states.ball_position[a, 1],
        ball_z=1.0 * states.ball_position[a, 2],
        ball_vx=turn * states.ball_linear_velocity[a, 0],
        ball_vy=turn * states.ball_linear_velocity[a, 1],
        ball_vz=1.0 * states.ball_linear_velocity[a, 2],
        x=turn * states.car_position[a, c, 0],
        y=turn * states.car_position[a, c, 1],
        z=1.0 * states.car_position[a, c, 2],
        vx=turn * states.car_linear_velocity[a, c, 0],
        vy=turn * states.car_linear_velocity[a, c, 1],
        vz=1.0 * states.car_linear_velocity[a, c, 2],
        boost=1.0 * states.car_boost[a, c],
        touched=1.0 * states.car_ball_touched[a, c],
        demoed=1.0 * states.car_is_demoed[a, c],
        goals=1.0 * states.car_goals[a, c],
        saves=1.0 * states.car_saves[a, c],
        shots=1.0 * states.car_shots[a, c],
        demos=1.0 * states.car_demos[a, c],
        team_goals=1.0 * states.score[a, team],
        conceded=1.0 * states.score[a, 1 - team],
    )
