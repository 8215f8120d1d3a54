r"""The reward components that need no memory: one small kernel each, its formula in the docstring.

In the formulas p is the car's position, b the ball's, v their velocities, g the goal-back
point that the car attacks, o its own; û(x) is the unit vector of x (0 for x = 0). A prime
marks the value one step before. Every kernel fills `out` with the value of each car of a
block: `now` and `past` are its fields now and a step before (see `fields`), `p` the
component's parameters.

Source: Lucy-SKG (arXiv 2305.15801), tables of reward functions, with R = 92.75 as in RLGym
v1.2, unless a docstring says otherwise.
"""

from math import atan2, sqrt

import numba

from ..sim.constants import (
    BACK_WALL_Y,
    BALL_MAX_SPEED,
    BALL_RADIUS_V1,
    CAR_MAX_SPEED,
    CEILING_Z,
    GOAL_HALF_WIDTH,
    GOAL_HEIGHT,
)
from .elementary import exponential, length, power, ratio
from .fields import (
    BALL_SPEED_TO_GOAL,
    BALL_VX,
    BALL_VY,
    BALL_VZ,
    BALL_X,
    BALL_Y,
    BALL_Z,
    BOOST,
    COSINE_FROM_OWN,
    COSINE_TO_GOAL,
    DISTANCE,
    FORWARD_X,
    FORWARD_Y,
    FORWARD_Z,
    GOAL_DISTANCE,
    HAS_FLIP,
    ON_GROUND,
    OWN_GOAL_DISTANCE,
    SPEED_TO_BALL,
    TO_BALL_X,
    TO_BALL_Y,
    TO_BALL_Z,
    TOUCHED,
    UP_X,
    UP_Y,
    UP_Z,
    VX,
    VY,
    VZ,
)

GOAL_DEPTH = 880.0  # uu from the goal line to the back of the net
GOAL_GAP = GOAL_DEPTH + BALL_RADIUS_V1  # from the goal-back point to a ball on the line

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


# Where the ball and the car are


@kernel
def distance_player_to_ball(now, past, p, out):
    """exp(-0.5 (‖p-b‖ - R) / (2300 dispersion)) ^ (1/density), in (0, 1.02]."""
    scale = -0.5 / (CAR_MAX_SPEED * p[0])
    for i in range(out.size):
        out[i] = exponential(scale * (now[DISTANCE, i] - BALL_RADIUS_V1))


@kernel
def distance_ball_to_goal(now, past, p, out):
    """exp(-0.5 (‖b-g‖ - (880+R)) / (6000 dispersion)) ^ (1/density); to o with own_goal."""
    scale = -0.5 / (BALL_MAX_SPEED * p[0])
    field = OWN_GOAL_DISTANCE if p[1] > 0 else GOAL_DISTANCE
    for i in range(out.size):
        out[i] = exponential(scale * (now[field, i] - GOAL_GAP))


@kernel
def signed_distance_ball_to_goal(now, past, p, out):
    """sign(x)·|x|^(1/density), x = 2 (exp(-0.5 (‖b-g‖ - (880+R)) / (4570 dispersion)) - 0.5).

    In (-1, 1.1]; g is o with own_goal.
    """
    scale = -0.5 / (4570.0 * p[0])
    field = OWN_GOAL_DISTANCE if p[2] > 0 else GOAL_DISTANCE
    for i in range(out.size):
        x = 2.0 * exponential(scale * (now[field, i] - GOAL_GAP)) - 1.0
        size = power(abs(x), p[1])
        out[i] = size if x > 0 else -size


@kernel
def distance_ball_to_goal_difference(now, past, p, out):
    """D(g, offense) - D(o, defense), D(x, w) = exp(-0.5 (‖b-x‖ - (880+R)) / (6000 w))."""
    offense, defense = -0.5 / (BALL_MAX_SPEED * p[0]), -0.5 / (BALL_MAX_SPEED * p[1])
    for i in range(out.size):
        attacked = exponential(offense * (now[GOAL_DISTANCE, i] - GOAL_GAP))
        out[i] = attacked - exponential(defense * (now[OWN_GOAL_DISTANCE, i] - GOAL_GAP))


@kernel
def ball_y_coordinate(now, past, p, out):
    """sign(y)·|y|^exponent, y = y_b toward the attacked goal / (5120 + R), in [-1.2, 1.2]."""
    for i in range(out.size):
        y = now[BALL_Y, i] / (BACK_WALL_Y + BALL_RADIUS_V1)
        size = power(abs(y), p[0])
        out[i] = size if y > 0 else -size


@kernel
def goal_probability(now, past, p, out):
    """2 Ω_g / (Ω_g + Ω_o) - 1, in [-1, 1]: how much larger the attacked goal looks.

    Ω is the solid angle that a goal's mouth fills, seen from the ball: the share of
    random straight shots that go in. 1 beyond the attacked goal's line, -1 beyond the
    own. Source: the idea of rlgym-tools' GoalViewReward.
    """
    for i in range(out.size):
        x, y, z = now[BALL_X, i], now[BALL_Y, i], now[BALL_Z, i]
        if abs(y) >= BACK_WALL_Y:
            out[i] = 1.0 if y > 0 else -1.0
        else:
            attacked = _goal_angle(x, BACK_WALL_Y - y, z)
            own = _goal_angle(x, BACK_WALL_Y + y, z)
            out[i] = ratio(attacked - own, attacked + own)


@kernel
def _goal_angle(x, depth, z):
    """Solid angle of a goal's mouth at this depth before the ball: a sum over its corners."""
    return (
        _corner_angle(x + GOAL_HALF_WIDTH, GOAL_HEIGHT - z, depth)
        + _corner_angle(x + GOAL_HALF_WIDTH, z, depth)
        - _corner_angle(x - GOAL_HALF_WIDTH, GOAL_HEIGHT - z, depth)
        - _corner_angle(x - GOAL_HALF_WIDTH, z, depth)
    )


@kernel
def _corner_angle(width, height, depth):
    return atan2(width * height, depth * length(width, height, depth))


@kernel
def align_ball_to_goal(now, past, p, out):
    """defense·cos(b-p, p-o) + offense·cos(b-p, g-p), in ±(|defense| + |offense|)."""
    for i in range(out.size):
        out[i] = p[0] * now[COSINE_FROM_OWN, i] + p[1] * now[COSINE_TO_GOAL, i]


@kernel
def face_ball(now, past, p, out):
    """forward·û(b-p), in [-1, 1]."""
    for i in range(out.size):
        along = (
            now[FORWARD_X, i] * now[TO_BALL_X, i]
            + now[FORWARD_Y, i] * now[TO_BALL_Y, i]
            + now[FORWARD_Z, i] * now[TO_BALL_Z, i]
        )
        out[i] = ratio(along, now[DISTANCE, i])


# How they move


@kernel
def velocity_ball_to_goal(now, past, p, out):
    """û(g-b)·v_b / 6000, in [-1, 1]."""
    for i in range(out.size):
        out[i] = now[BALL_SPEED_TO_GOAL, i] / BALL_MAX_SPEED


@kernel
def velocity_player_to_ball(now, past, p, out):
    """û(b-p)·v_p / 2300, in [-1, 1]."""
    for i in range(out.size):
        out[i] = now[SPEED_TO_BALL, i] / CAR_MAX_SPEED


@kernel
def velocity_player(now, past, p, out):
    """‖v_p‖ / 2300, in [0, 1]."""
    for i in range(out.size):
        out[i] = length(now[VX, i], now[VY, i], now[VZ, i]) / CAR_MAX_SPEED


@kernel
def speed_toward_ball(now, past, p, out):
    """max(0, û(b-p)·v_p) / 2300, in [0, 1]: driving away costs nothing. Source: RLGym."""
    for i in range(out.size):
        out[i] = max(0.0, now[SPEED_TO_BALL, i]) / CAR_MAX_SPEED


@kernel
def speed_toward_goal(now, past, p, out):
    """max(0, û(g-b)·v_b) / 6000, in [0, 1]: the ball's, never negative. Source: RLGym."""
    for i in range(out.size):
        out[i] = max(0.0, now[BALL_SPEED_TO_GOAL, i]) / BALL_MAX_SPEED


@kernel
def kickoff(now, past, p, out):
    """û(b-p)·v_p / 2300 while the ball's x and y are exactly 0, in [-1, 1]."""
    for i in range(out.size):
        waiting = now[BALL_X, i] == 0.0 and now[BALL_Y, i] == 0.0
        out[i] = now[SPEED_TO_BALL, i] / CAR_MAX_SPEED if waiting else 0.0


@kernel
def air_time(now, past, p, out):
    """1 in every step in which the wheels are off the ground. Source: RLGym's InAirReward."""
    for i in range(out.size):
        out[i] = 1.0 - now[ON_GROUND, i]


# Boost


@kernel
def save_boost(now, past, p, out):
    """√boost, boost in 0..1, in [0, 1]."""
    for i in range(out.size):
        out[i] = sqrt(now[BOOST, i])


@kernel
def boost_gain(now, past, p, out):
    """max(0, √boost - √boost'), in [0, 1]. Source: rlgym-tools' BoostChangeReward."""
    for i in range(out.size):
        out[i] = max(0.0, sqrt(now[BOOST, i]) - sqrt(past[BOOST, i]))


@kernel
def boost_loss(now, past, p, out):
    """max(0, √boost' - √boost), in [0, 1]: give it a negative weight."""
    for i in range(out.size):
        out[i] = max(0.0, sqrt(past[BOOST, i]) - sqrt(now[BOOST, i]))


# Touches


@kernel
def touch_ball_aerial(now, past, p, out):
    """On touch ((z_b + R) / 2R) ^ exponent."""
    for i in range(out.size):
        height = (now[BALL_Z, i] + BALL_RADIUS_V1) / (2.0 * BALL_RADIUS_V1)
        out[i] = power(max(0.0, height), p[0]) if now[TOUCHED, i] > 0 else 0.0


@kernel
def touch_ball_aerial_linear(now, past, p, out):
    """On touch z_b / 2044."""
    for i in range(out.size):
        out[i] = now[TOUCHED, i] * now[BALL_Z, i] / CEILING_Z


@kernel
def touch_ball_to_goal_acceleration(now, past, p, out):
    """On touch (û(g-b)·v_b - û(g-b')·v_b') / 2300."""
    for i in range(out.size):
        gain = now[BALL_SPEED_TO_GOAL, i] - past[BALL_SPEED_TO_GOAL, i]
        out[i] = now[TOUCHED, i] * gain / CAR_MAX_SPEED


@kernel
def touch_strength(now, past, p, out):
    """On touch ‖v_b - v_b'‖ / 6000, in [0, 2]. Source: rlgym-tools' AdvancedTouchReward."""
    for i in range(out.size):
        out[i] = now[TOUCHED, i] * _kick(now, past, i) / BALL_MAX_SPEED


@numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _kick(now, past, i):
    """‖v_b - v_b'‖."""
    return length(
        now[BALL_VX, i] - past[BALL_VX, i],
        now[BALL_VY, i] - past[BALL_VY, i],
        now[BALL_VZ, i] - past[BALL_VZ, i],
    )


@kernel
def flip_reset(now, past, p, out):
    """1 when a touch with the wheels gives the flip back in the air.

    On touch, has flip now and had none a step before, and the ball lies within 45° of
    the car's underside. Source: the idea of rlgym-tools' FlipResetReward.
    """
    for i in range(out.size):
        regained = now[TOUCHED, i] > 0 and now[HAS_FLIP, i] > past[HAS_FLIP, i]
        below = -(
            now[UP_X, i] * now[TO_BALL_X, i]
            + now[UP_Y, i] * now[TO_BALL_Y, i]
            + now[UP_Z, i] * now[TO_BALL_Z, i]
        )
        out[i] = 1.0 if regained and below > sqrt(0.5) * now[DISTANCE, i] else 0.0


# Events


@kernel
def event(now, past, p, out):
    """max(0, count - count'): the increase of a car's or team's counter in this step.

    Touch and demoed are 0/1 values, so only their onset counts.
    """
    field = int(p[0])
    for i in range(out.size):
        out[i] = max(0.0, now[field, i] - past[field, i])
