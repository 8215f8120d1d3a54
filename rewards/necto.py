"""The parts of Necto's and Nexto's rewards; the presets `necto` and `nexto` put them together.

A step with a goal pays the goal's parts alone: every other part is 0 on it. `now`, `past`,
`p` and `out` are as in `components`, and so are the letters of the formulas.

Source: the published rewards of Necto and Nexto.
"""

from math import sqrt

import numba

from ..sim.constants import BACK_NET_Y, BACK_WALL_Y, BALL_MAX_SPEED, CAR_MAX_SPEED, GOAL_BACK_Z
from .components import kernel
from .elementary import exponential, length
from .fields import (
    BALL_VX,
    BALL_VY,
    BALL_VZ,
    BALL_X,
    BALL_Y,
    BALL_Z,
    BOOST,
    CONCEDED,
    COSINE_FROM_OWN,
    COSINE_TO_GOAL,
    DEMOED,
    DEMOS,
    DISTANCE,
    ON_GROUND,
    TEAM_GOALS,
    TOUCHED,
    X,
    Y,
    Z,
)

_DRIVING_SPEED = 1410.0  # uu/s, the most without boost
_GOAL_Y = (BACK_WALL_Y + BACK_NET_Y) / 2  # m, the point midway between goal line and back

small = numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)


@small
def _scored(now, past, i):
    return 1.0 if now[TEAM_GOALS, i] > past[TEAM_GOALS, i] else 0.0


@small
def _conceded(now, past, i):
    return 1.0 if now[CONCEDED, i] > past[CONCEDED, i] else 0.0


@small
def _in_play(now, past, i):
    """1, or 0 on the step of a goal."""
    return (1.0 - _scored(now, past, i)) * (1.0 - _conceded(now, past, i))


@small
def _near_goal(block, i, goal_y):
    x, y, z = block[BALL_X, i], block[BALL_Y, i] - goal_y, block[BALL_Z, i] - GOAL_BACK_Z
    return exponential(-length(x, y, z) / CAR_MAX_SPEED)


@kernel
def necto_state_quality(now, past, p, out):
    """Q - Q', Q = exp(-‖b-m_g‖/2300) - exp(-‖b-m_o‖/2300), m midway from goal line to back."""
    for i in range(out.size):
        attack = _near_goal(now, i, _GOAL_Y) - _near_goal(past, i, _GOAL_Y)
        defense = _near_goal(now, i, -_GOAL_Y) - _near_goal(past, i, -_GOAL_Y)
        out[i] = _in_play(now, past, i) * (attack - defense)


@kernel
def necto_ball_distance(now, past, p, out):
    """E - E', E = exp(-‖b-p‖/1410)."""
    for i in range(out.size):
        gain = exponential(-now[DISTANCE, i] / _DRIVING_SPEED) - exponential(
            -past[DISTANCE, i] / _DRIVING_SPEED
        )
        out[i] = _in_play(now, past, i) * gain


@kernel
def necto_alignment(now, past, p, out):
    """L - L', L = ½ (cos(b-p, g-p) + cos(b-p, p-o))."""
    for i in range(out.size):
        after = now[COSINE_TO_GOAL, i] + now[COSINE_FROM_OWN, i]
        before = past[COSINE_TO_GOAL, i] + past[COSINE_FROM_OWN, i]
        out[i] = _in_play(now, past, i) * 0.5 * (after - before)


@kernel
def necto_touch_height(now, past, p, out):
    """On touch z_b / height."""
    for i in range(out.size):
        out[i] = _in_play(now, past, i) * now[TOUCHED, i] * now[BALL_Z, i] / p[0]


@kernel
def necto_touch_acceleration(now, past, p, out):
    """On touch ‖v_b - v_b'‖ / 2300."""
    for i in range(out.size):
        kick = length(
            now[BALL_VX, i] - past[BALL_VX, i],
            now[BALL_VY, i] - past[BALL_VY, i],
            now[BALL_VZ, i] - past[BALL_VZ, i],
        )
        out[i] = _in_play(now, past, i) * now[TOUCHED, i] * kick / CAR_MAX_SPEED


@kernel
def necto_boost_gain(now, past, p, out):
    """max(0, √boost - √boost')."""
    for i in range(out.size):
        gain = max(0.0, sqrt(now[BOOST, i]) - sqrt(past[BOOST, i]))
        out[i] = _in_play(now, past, i) * gain


@kernel
def necto_boost_loss(now, past, p, out):
    """max(0, √boost' - √boost)."""
    for i in range(out.size):
        loss = max(0.0, sqrt(past[BOOST, i]) - sqrt(now[BOOST, i]))
        out[i] = _in_play(now, past, i) * loss


@kernel
def necto_on_ground(now, past, p, out):
    """1 with the wheels on the ground."""
    for i in range(out.size):
        out[i] = _in_play(now, past, i) * now[ON_GROUND, i]


@kernel
def necto_demo(now, past, p, out):
    """1 when this car demolishes another."""
    for i in range(out.size):
        begun = 1.0 if now[DEMOS, i] > past[DEMOS, i] else 0.0
        out[i] = _in_play(now, past, i) * begun


@kernel
def necto_demoed(now, past, p, out):
    """1 when this car is demolished."""
    for i in range(out.size):
        out[i] = _in_play(now, past, i) * max(0.0, now[DEMOED, i] - past[DEMOED, i])


@kernel
def necto_goal(now, past, p, out):
    """1 for every car of the team that scores."""
    for i in range(out.size):
        out[i] = _scored(now, past, i)


@kernel
def necto_goal_speed(now, past, p, out):
    """‖v_b'‖ / 6000 for every car of the team that scores."""
    for i in range(out.size):
        speed = length(past[BALL_VX, i], past[BALL_VY, i], past[BALL_VZ, i])
        out[i] = _scored(now, past, i) * speed / BALL_MAX_SPEED


@kernel
def necto_concede_distance(now, past, p, out):
    """1 - exp(-‖p-b'‖/2300) for every car of the team that concedes."""
    for i in range(out.size):
        far = length(
            now[X, i] - past[BALL_X, i], now[Y, i] - past[BALL_Y, i], now[Z, i] - past[BALL_Z, i]
        )
        out[i] = _conceded(now, past, i) * (1.0 - exponential(-far / CAR_MAX_SPEED))
