"""Components that remember more than one step: pressures, aerial distance, wave dash.

Each has rows of memory of its own, [rows,C,A] float64, zero at an episode's start. A kernel
fills `out` for the n arenas of a block whose first is `arena`; `p`, `now`, `past` and the
letters of the formulas are as in `components`.
"""

import numba

from ..sim.constants import BACK_NET_Y, BACK_WALL_Y, BLUE, CAR_MAX_SPEED, GOAL_BACK_Z
from .components import GOAL_GAP
from .elementary import length, power
from .fields import (
    BALL_X,
    BALL_Y,
    BALL_Z,
    CAR,
    CONCEDED,
    GOAL_DISTANCE,
    HAS_FLIP,
    JUMP,
    ON_GROUND,
    OWN_GOAL_DISTANCE,
    PITCH,
    ROLL,
    TEAM_GOALS,
    TOUCHED,
    VX,
    VY,
    VZ,
    YAW,
    X,
    Y,
    Z,
)

RAMP_HEIGHT = 256.0  # uu; above it a car is no longer on the wall's foot
FLIP_STEPS = 10  # a flip turns the car for 0.65 s
STICK_DEADZONE = 0.5  # a jump with less stick than this is a double jump

OFFENSIVE, DEFENSIVE, COUNTER = 0, 1, 2

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


@kernel
def pressure(now, past, p, team, n, memory, arena, out):
    """Offensive, defensive and counter pressure, as the published code pays them.

    The ball presses a goal while its distance to that goal-back point, less 880+R, is
    under `threshold`. Each such step without a goal adds 0.5 + 0.5 (share of blue's cars in
    that zone - share of orange's). The first step that adds nothing resolves it, and pays

        mean over the n steps · (1 - min(n-1, cutoff)/cutoff) ^ exponent

    Offensive pressure pays the side that scored on it, defensive pressure the side that
    conceded, counter pressure the defending side when the ball left after at least 3
    steps without a goal. In offensive and counter pressure blue is paid the mean and
    orange 1 - mean, in defensive pressure the other way round.
    """
    kind, cutoff, exponent, threshold = int(p[0]), p[1], p[2], p[3]
    cars = len(team)
    for i in range(n):
        for c in range(cars):
            out[c * n + i] = 0.0
        # As slot 0 sees them
        own = now[TEAM_GOALS, i] - past[TEAM_GOALS, i]
        other = now[CONCEDED, i] - past[CONCEDED, i]
        goal = own > 0 or other > 0
        for zone in range(2):  # the goal that team `zone` attacks
            attacked = team[0] == zone
            distance = now[GOAL_DISTANCE, i] if attacked else now[OWN_GOAL_DISTANCE, i]
            total, steps = memory[2 * zone, 0, arena + i], memory[2 * zone + 1, 0, arena + i]
            if not goal and distance - GOAL_GAP < threshold:
                share = _share(now, team, zone, i, n, threshold)
                memory[2 * zone, 0, arena + i] = total + share
                memory[2 * zone + 1, 0, arena + i] = steps + 1
                continue
            memory[2 * zone, 0, arena + i] = memory[2 * zone + 1, 0, arena + i] = 0.0
            scored = (own if attacked else other) > 0
            if steps == 0 or (kind != COUNTER and not scored):
                continue
            if kind == COUNTER and (goal or steps < 3):
                continue
            mean = total / steps
            fade = power(1 - min(steps - 1, cutoff) / cutoff, exponent)
            for c in range(cars):
                if (team[c] == zone) == (kind == OFFENSIVE):
                    as_blue = (team[c] == BLUE) != (kind == DEFENSIVE)
                    out[c * n + i] = fade * (mean if as_blue else 1 - mean)


@kernel
def _share(now, team, zone, i, n, threshold):
    """0.5 + 0.5 (share of blue's cars in the zone - share of orange's)."""
    share = 0.5
    for side in range(2):
        inside, present = 0.0, 0.0
        for c in range(len(team)):
            column = c * n + i
            if team[c] == side and now[CAR, column] > 0:
                goal = BACK_NET_Y if side == zone else -BACK_NET_Y
                away = length(now[X, column], now[Y, column] - goal, now[Z, column] - GOAL_BACK_Z)
                inside += 1.0 if away - GOAL_GAP < threshold else 0.0
                present += 1.0
        if present > 0:
            share += (0.5 if side == BLUE else -0.5) * inside / present
    return share


@kernel
def aerial_distance(now, past, p, team, n, memory, arena, out):
    """Distance flown with the ball between a car's own touches above 256 uu, / 5120.

    The first aerial touch pays max(0, (z_p + z_b)/2 - 256) / 5120; every further one the
    way that car and ball went since the last, as long as the car stays above 256 uu and
    nobody else touches. Source: the idea of rlgym-tools' AerialDistanceReward.
    """
    for c in range(len(team)):
        for i in range(n):
            k = c * n + i
            flown, on_it = memory[0, c, arena + i], memory[1, c, arena + i] > 0
            on_it = on_it and now[Z, k] >= RAMP_HEIGHT
            flown += length(now[X, k] - past[X, k], now[Y, k] - past[Y, k], now[Z, k] - past[Z, k])
            flown += length(
                now[BALL_X, k] - past[BALL_X, k],
                now[BALL_Y, k] - past[BALL_Y, k],
                now[BALL_Z, k] - past[BALL_Z, k],
            )
            out[k] = 0.0
            if now[TOUCHED, k] > 0 and now[Z, k] >= RAMP_HEIGHT:
                height = max(0.0, 0.5 * (now[Z, k] + now[BALL_Z, k]) - RAMP_HEIGHT)
                out[k] = (flown if on_it else height) / BACK_WALL_Y
                on_it, flown = True, 0.0
            elif _other_touches(now, c, i, n, len(team)):
                on_it = False
            memory[0, c, arena + i] = flown if on_it else 0.0
            memory[1, c, arena + i] = 1.0 if on_it else 0.0


@kernel
def _other_touches(now, car, i, n, cars):
    for c in range(cars):
        if c != car and now[CAR, c * n + i] > 0 and now[TOUCHED, c * n + i] > 0:
            return True
    return False


@kernel
def wave_dash(now, past, p, team, n, memory, arena, out):
    """On landing within 10 steps of a flip's start: ‖v - v'‖ / 2300 of the step it started in.

    A flip starts where the flip is used up in the air with jump held and a stick beyond
    0.5. States do not tell a flip from a double jump otherwise. Source: the idea of
    rlgym-tools' WavedashReward.
    """
    for c in range(len(team)):
        for i in range(n):
            k = c * n + i
            kick, left = memory[0, c, arena + i], memory[1, c, arena + i]
            landed = now[ON_GROUND, k] > 0 and past[ON_GROUND, k] == 0
            out[k] = kick / CAR_MAX_SPEED if landed and left > 0 else 0.0
            left = 0.0 if now[ON_GROUND, k] > 0 else max(0.0, left - 1)
            stick = max(abs(now[PITCH, k]), abs(now[YAW, k]), abs(now[ROLL, k]))
            used = past[HAS_FLIP, k] > 0 and now[HAS_FLIP, k] == 0 and now[ON_GROUND, k] == 0
            if used and now[JUMP, k] > 0 and stick >= STICK_DEADZONE:
                left = FLIP_STEPS
                kick = length(
                    now[VX, k] - past[VX, k], now[VY, k] - past[VY, k], now[VZ, k] - past[VZ, k]
                )
            memory[0, c, arena + i], memory[1, c, arena + i] = kick, left
