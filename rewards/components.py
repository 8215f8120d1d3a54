r"""The reward components: one small kernel each, its formula in the docstring.

In the formulas p is the car's position, b the ball's, v their velocities, g the
goal-back point that the car attacks, o its own; û(x) is the unit vector of x (0 for
x = 0). Every kernel takes the car's view now, its view one step before, and up to three
parameters in the order that `COMPONENTS` names them.

Source: Lucy-SKG (arXiv 2305.15801), tables of reward functions; R = 92.75 as in RLGym v1.2.
"""

from math import exp, sqrt
from typing import NamedTuple

import numba

from ..sim.constants import (
    BACK_NET_Y,
    BALL_MAX_SPEED,
    BALL_RADIUS_V1,
    CAR_MAX_SPEED,
    GOAL_BACK_Z,
)

GOAL_DEPTH = 880.0  # uu from the goal line to the back of the net


class Component(NamedTuple):
    """How a spec names a component: its number in `evaluate` and its parameters."""

    code: int
    parameters: dict[str, float]  # name -> default, in the kernel's order
    positive: tuple[str, ...] = ()  # parameters that must be > 0


@numba.njit(cache=True, nogil=True)
def _cosine(ax, ay, az, bx, by, bz):
    lengths = sqrt((ax * ax + ay * ay + az * az) * (bx * bx + by * by + bz * bz))
    return (ax * bx + ay * by + az * bz) / lengths if lengths > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def _speed_toward(dx, dy, dz, vx, vy, vz):
    """û(d)·v."""
    length = sqrt(dx * dx + dy * dy + dz * dz)
    return (dx * vx + dy * vy + dz * vz) / length if length > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def _distance_ball_to(now, goal_y, dispersion):
    dy = now.ball_y - goal_y
    dz = now.ball_z - GOAL_BACK_Z
    distance = sqrt(now.ball_x * now.ball_x + dy * dy + dz * dz)
    return exp(-0.5 * (distance - (GOAL_DEPTH + BALL_RADIUS_V1)) / (BALL_MAX_SPEED * dispersion))


@numba.njit(cache=True, nogil=True)
def distance_player_to_ball(now, before, dispersion, density, _):
    """exp(-0.5 (‖p-b‖ - R) / (2300 dispersion)) ^ (1/density), in (0, 1.02]."""
    dx, dy, dz = now.x - now.ball_x, now.y - now.ball_y, now.z - now.ball_z
    distance = sqrt(dx * dx + dy * dy + dz * dz) - BALL_RADIUS_V1
    return exp(-0.5 * distance / (CAR_MAX_SPEED * dispersion * density))


@numba.njit(cache=True, nogil=True)
def distance_ball_to_goal_difference(now, before, offense_dispersion, defense_dispersion, _):
    """D(g, offense) - D(o, defense), D(x, w) = exp(-0.5 (‖b-x‖ - (880+R)) / (6000 w))."""
    return _distance_ball_to(now, BACK_NET_Y, offense_dispersion) - _distance_ball_to(
        now, -BACK_NET_Y, defense_dispersion
    )


@numba.njit(cache=True, nogil=True)
def velocity_ball_to_goal(now, before, _0, _1, _2):
    """û(g-b)·v_b / 6000, in [-1, 1]."""
    toward = _speed_toward(
        -now.ball_x,
        BACK_NET_Y - now.ball_y,
        GOAL_BACK_Z - now.ball_z,
        now.ball_vx,
        now.ball_vy,
        now.ball_vz,
    )
    return toward / BALL_MAX_SPEED


@numba.njit(cache=True, nogil=True)
def velocity_player_to_ball(now, before, _0, _1, _2):
    """û(b-p)·v_p / 2300, in [-1, 1]."""
    toward = _speed_toward(
        now.ball_x - now.x, now.ball_y - now.y, now.ball_z - now.z, now.vx, now.vy, now.vz
    )
    return toward / CAR_MAX_SPEED


@numba.njit(cache=True, nogil=True)
def align_ball_to_goal(now, before, defense, offense, _):
    """defense·cos(b-p, p-o) + offense·cos(b-p, g-p), in ±(defense + offense)."""
    dx, dy, dz = now.ball_x - now.x, now.ball_y - now.y, now.ball_z - now.z
    up = GOAL_BACK_Z - now.z
    from_own = _cosine(dx, dy, dz, now.x, now.y + BACK_NET_Y, -up)
    to_goal = _cosine(dx, dy, dz, -now.x, BACK_NET_Y - now.y, up)
    return defense * from_own + offense * to_goal


@numba.njit(cache=True, nogil=True)
def save_boost(now, before, _0, _1, _2):
    """Square root of boost, in [0, 1]."""
    return sqrt(now.boost)


@numba.njit(cache=True, nogil=True)
def touch_ball_to_goal_acceleration(now, before, _0, _1, _2):
    """On touch: (û(g-b)·v_b now - the same a step before) / 2300."""
    if now.touched == 0:
        return 0.0
    gain = velocity_ball_to_goal(now, now, 0, 0, 0) - velocity_ball_to_goal(before, before, 0, 0, 0)
    return gain * (BALL_MAX_SPEED / CAR_MAX_SPEED)


@numba.njit(cache=True, nogil=True)
def event_goal(now, before, _0, _1, _2):
    """Goals that this car scored in this step."""
    return max(0.0, now.goals - before.goals)


@numba.njit(cache=True, nogil=True)
def event_team_goal(now, before, _0, _1, _2):
    """Goals of this car's team in this step."""
    return max(0.0, now.team_goals - before.team_goals)


@numba.njit(cache=True, nogil=True)
def event_concede(now, before, _0, _1, _2):
    """Goals that the other team scored in this step."""
    return max(0.0, now.conceded - before.conceded)


@numba.njit(cache=True, nogil=True)
def event_touch(now, before, _0, _1, _2):
    """1 on the first step of a touch."""
    return max(0.0, now.touched - before.touched)


@numba.njit(cache=True, nogil=True)
def event_shot(now, before, _0, _1, _2):
    """Shots of this car in this step."""
    return max(0.0, now.shots - before.shots)


@numba.njit(cache=True, nogil=True)
def event_save(now, before, _0, _1, _2):
    """Saves of this car in this step."""
    return max(0.0, now.saves - before.saves)


@numba.njit(cache=True, nogil=True)
def event_demo(now, before, _0, _1, _2):
    """Opponents that this car demolished in this step."""
    return max(0.0, now.demos - before.demos)


@numba.njit(cache=True, nogil=True)
def event_demoed(now, before, _0, _1, _2):
    """1 on the step in which this car was demolished."""
    return max(0.0, now.demoed - before.demoed)


_WIDTHS = ("dispersion", "density")
_SIDES = {"offense_dispersion": 1.0, "defense_dispersion": 1.0}

COMPONENTS = {
    "distance_player_to_ball": Component(0, {"dispersion": 1.0, "density": 1.0}, _WIDTHS),
    "distance_ball_to_goal_difference": Component(1, _SIDES, tuple(_SIDES)),
    "velocity_ball_to_goal": Component(2, {}),
    "velocity_player_to_ball": Component(3, {}),
    "align_ball_to_goal": Component(4, {"defense": 0.5, "offense": 0.5}),
    "save_boost": Component(5, {}),
    "touch_ball_to_goal_acceleration": Component(6, {}),
    "event_goal": Component(7, {}),
    "event_team_goal": Component(8, {}),
    "event_concede": Component(9, {}),
    "event_touch": Component(10, {}),
    "event_shot": Component(11, {}),
    "event_save": Component(12, {}),
    "event_demo": Component(13, {}),
    "event_demoed": Component(14, {}),
}


@numba.njit(cache=True, nogil=True)
def evaluate(code, now, before, a, b, c):
    """The component with this code: a switch, so that a spec needs no compilation."""
    if code == 0:
        return distance_player_to_ball(now, before, a, b, c)
    if code == 1:
        return distance_ball_to_goal_difference(now, before, a, b, c)
    if code == 2:
        return velocity_ball_to_goal(now, before, a, b, c)
    if code == 3:
        return velocity_player_to_ball(now, before, a, b, c)
    if code == 4:
        return align_ball_to_goal(now, before, a, b, c)
    if code == 5:
        return save_boost(now, before, a, b, c)
    if code == 6:
        return touch_ball_to_goal_acceleration(now, before, a, b, c)
    if code == 7:
        return event_goal(now, before, a, b, c)
    if code == 8:
        return event_team_goal(now, before, a, b, c)
    if code == 9:
        return event_concede(now, before, a, b, c)
    if code == 10:
        return event_touch(now, before, a, b, c)
    if code == 11:
        return event_shot(now, before, a, b, c)
    if code == 12:
        return event_save(now, before, a, b, c)
    if code == 13:
        return event_demo(now, before, a, b, c)
    return event_demoed(now, before, a, b, c)
