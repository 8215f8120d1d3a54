"""What reward components read: one row of numbers a field, one column a car.

A block holds n arenas of C car slots: column c·n + i is slot c of arena i, so that loops
over cars run over contiguous memory. x and y are negated for orange: every car attacks
the goal at +y, and a component's formula is the same for both teams.
"""

from math import sqrt
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import carray  # pyright: ignore[reportPrivateImportUsage]
from numba.core import types
from numba.extending import intrinsic

from ..sim.constants import BACK_NET_Y, GOAL_BACK_Z, ORANGE
from ..sim.state import GameStates
from .elementary import length, ratio


class View(NamedTuple):
    """One car and the ball, as a custom component sees them.

    Positions in uu, velocities in uu/s, team-relative: the car attacks the goal at +y.
    Flags are 0 or 1; counters run on over episodes, so that an event is the increase of a
    field from one step to the next.
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
    forward_x: float
    forward_y: float
    forward_z: float
    up_x: float
    up_y: float
    up_z: float
    angular_x: float  # rad/s, as the next two
    angular_y: float
    angular_z: float
    boost: float  # 0..1
    on_ground: float
    has_flip: float
    touched: float
    demoed: float
    goals: float
    saves: float
    shots: float
    demos: float
    team_goals: float
    conceded: float
    throttle: float  # the action that led here, as the next seven
    steer: float
    pitch: float
    yaw: float
    roll: float
    jump: float
    boosting: float
    handbrake: float
    car: float  # 1, or 0 for an empty slot


N_GIVEN = len(View._fields)
(
    BALL_X, BALL_Y, BALL_Z, BALL_VX, BALL_VY, BALL_VZ,
    X, Y, Z, VX, VY, VZ,
    FORWARD_X, FORWARD_Y, FORWARD_Z, UP_X, UP_Y, UP_Z,
    ANGULAR_X, ANGULAR_Y, ANGULAR_Z,
    BOOST, ON_GROUND, HAS_FLIP, TOUCHED, DEMOED,
    GOALS, SAVES, SHOTS, DEMOS, TEAM_GOALS, CONCEDED,
    THROTTLE, STEER, PITCH, YAW, ROLL, JUMP, BOOSTING, HANDBRAKE,
    CAR,
) = range(N_GIVEN)  # fmt: skip

# Computed from those, once for all components that share them
(
    TO_BALL_X,  # b - p
    TO_BALL_Y,
    TO_BALL_Z,
    DISTANCE,  # ‖b - p‖
    SPEED_TO_BALL,  # û(b-p)·v_p
    GOAL_DISTANCE,  # ‖b - g‖
    OWN_GOAL_DISTANCE,  # ‖b - o‖
    BALL_SPEED_TO_GOAL,  # û(g-b)·v_b
    COSINE_TO_GOAL,  # cos(b-p, g-p)
    COSINE_FROM_OWN,  # cos(b-p, p-o)
) = range(N_GIVEN, N_GIVEN + 10)
N_FIELDS = N_GIVEN + 10

BALL = (BALL_X, BALL_Y, BALL_Z)
BALL_VELOCITY = (BALL_VX, BALL_VY, BALL_VZ)
POSITION = (X, Y, Z)
VELOCITY = (VX, VY, VZ)
GIVEN = tuple(range(N_GIVEN))
_TO_BALL = (TO_BALL_X, TO_BALL_Y, TO_BALL_Z)

_DERIVED_FROM = {
    DISTANCE: (*BALL, *POSITION, *_TO_BALL),
    SPEED_TO_BALL: (*_TO_BALL, DISTANCE, *VELOCITY),
    GOAL_DISTANCE: BALL,
    OWN_GOAL_DISTANCE: BALL,
    BALL_SPEED_TO_GOAL: (*BALL, *BALL_VELOCITY, GOAL_DISTANCE),
    COSINE_TO_GOAL: (*_TO_BALL, DISTANCE, *POSITION),
    COSINE_FROM_OWN: (*_TO_BALL, DISTANCE, *POSITION),
}


def with_dependencies(fields) -> set[int]:
    """The fields, and those that they are computed from."""
    needed, waiting = {CAR}, list(fields)
    while waiting:
        field = waiting.pop()
        needed.add(field)
        waiting += _DERIVED_FROM.get(field, ())
    return needed


# Where the given fields come from

_PLAIN, _TURNED, _OWN_TEAM, _OTHER_TEAM = range(4)  # _TURNED: negated for orange


def _axes(name: str) -> list[tuple[str, int, int]]:
    return [(name, 0, _TURNED), (name, 1, _TURNED), (name, 2, _PLAIN)]


_SOURCES = [
    *_axes("ball_position"),
    *_axes("ball_linear_velocity"),
    *_axes("car_position"),
    *_axes("car_linear_velocity"),
    *_axes("car_forward"),
    *_axes("car_up"),
    *_axes("car_angular_velocity"),
    ("car_boost", 0, _PLAIN),
    ("car_on_ground", 0, _PLAIN),
    ("car_has_flip", 0, _PLAIN),
    ("car_ball_touched", 0, _PLAIN),
    ("car_is_demoed", 0, _PLAIN),
    ("car_goals", 0, _PLAIN),
    ("car_saves", 0, _PLAIN),
    ("car_shots", 0, _PLAIN),
    ("car_demos", 0, _PLAIN),
    ("score", 0, _OWN_TEAM),
    ("score", 0, _OTHER_TEAM),
    *(("previous_action", i, _PLAIN) for i in range(8)),
    ("car_mask", 0, _PLAIN),
]
_KINDS = {"float32": 0, "int32": 1, "bool": 2}


def source_table(states: GameStates, cars: int) -> np.ndarray:
    """Where each given field lies in memory: [N_GIVEN,6] int64.

    Handing a kernel 24 arrays takes longer than a small chunk's reward; this is one. It
    holds addresses, so the states must be kept alive with it.

    Raises:
        ValueError: an array is not contiguous, or has not the contract's shape or type.
    """
    arenas = len(states.score)
    table = np.zeros((N_GIVEN, 6), np.int64)
    for field, (name, axis, kind) in enumerate(_SOURCES):
        array = getattr(states, name)
        per_car = name.startswith("car_") or name == "previous_action"
        shape = (arenas, cars) if per_car else (arenas,)
        wanted = str(array.dtype) in _KINDS and array.flags.c_contiguous
        if not wanted or array.shape[: len(shape)] != shape:
            raise ValueError(
                f"states.{name} is {array.dtype}{list(array.shape)}, "
                f"contiguous: {array.flags.c_contiguous}; expected a C-contiguous array of "
                f"float32, int32 or bool that begins with {list(shape)}"
            )
        width = array.size // max(1, arenas * (cars if per_car else 1))
        table[field] = (
            array.__array_interface__["data"][0] + axis * array.itemsize,
            width * (cars if per_car else 1),  # from arena to arena
            width if per_car else 0,  # from slot to slot
            _KINDS[str(array.dtype)],
            kind,
            0,
        )
    return table


def _make_pointer(_context, address, like):
    """The address as a pointer to numbers of the given one's type."""
    kind = types.CPointer(like)

    def generate(context, builder, _signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(kind))

    return kind(address, like), generate


_pointer: Any = intrinsic(_make_pointer)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def gather(sources, fields, team, row, n, out):
    """Read the given fields of arenas row … row+n.

    Args:
        sources: see `source_table`.
        fields: [...] int64, which; those beyond the given ones are passed over.
        team: [C] of each slot.
        row: first arena.
        n: how many.
        out: [N_FIELDS,...] float64, the block.
    """
    for field in fields:
        if field >= N_GIVEN:
            continue
        address, per_arena, per_car, kind, turns, _ = sources[field]
        for c in range(len(team)):
            start = row * per_arena + c * per_car
            sign = 1.0
            if turns == _TURNED and team[c] == ORANGE:
                sign = -1.0
            elif turns == _OWN_TEAM:
                start += team[c]
            elif turns == _OTHER_TEAM:
                start += 1 - team[c]
            end = start + n * per_arena
            k = c * n
            if kind == 0:
                floats = carray(_pointer(address, np.float32(0)), end)
                for i in range(n):
                    out[field, k + i] = sign * floats[start + i * per_arena]
            elif kind == 1:
                integers = carray(_pointer(address, np.int32(0)), end)
                for i in range(n):
                    out[field, k + i] = integers[start + i * per_arena]
            else:
                flags = carray(_pointer(address, np.uint8(0)), end)
                for i in range(n):
                    out[field, k + i] = flags[start + i * per_arena]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def derive(fields, block, m):
    """Compute the fields that are not given, for the block's first m columns."""
    for field in fields:
        if field == DISTANCE:
            for i in range(m):
                x, y, z = block[BALL_X, i], block[BALL_Y, i], block[BALL_Z, i]
                x, y, z = x - block[X, i], y - block[Y, i], z - block[Z, i]
                block[TO_BALL_X, i], block[TO_BALL_Y, i], block[TO_BALL_Z, i] = x, y, z
                block[DISTANCE, i] = length(x, y, z)
        elif field == SPEED_TO_BALL:
            for i in range(m):
                along = (
                    block[TO_BALL_X, i] * block[VX, i]
                    + block[TO_BALL_Y, i] * block[VY, i]
                    + block[TO_BALL_Z, i] * block[VZ, i]
                )
                block[SPEED_TO_BALL, i] = ratio(along, block[DISTANCE, i])
        elif field in (GOAL_DISTANCE, OWN_GOAL_DISTANCE):
            goal = BACK_NET_Y if field == GOAL_DISTANCE else -BACK_NET_Y
            for i in range(m):
                block[field, i] = length(
                    block[BALL_X, i], block[BALL_Y, i] - goal, block[BALL_Z, i] - GOAL_BACK_Z
                )
        elif field == BALL_SPEED_TO_GOAL:
            for i in range(m):
                along = (
                    -block[BALL_X, i] * block[BALL_VX, i]
                    + (BACK_NET_Y - block[BALL_Y, i]) * block[BALL_VY, i]
                    + (GOAL_BACK_Z - block[BALL_Z, i]) * block[BALL_VZ, i]
                )
                block[BALL_SPEED_TO_GOAL, i] = ratio(along, block[GOAL_DISTANCE, i])
        elif field in (COSINE_TO_GOAL, COSINE_FROM_OWN):
            goal = BACK_NET_Y if field == COSINE_TO_GOAL else -BACK_NET_Y
            sign = 1.0 if field == COSINE_TO_GOAL else -1.0
            for i in range(m):
                x, y, z = -block[X, i], goal - block[Y, i], GOAL_BACK_Z - block[Z, i]
                along = block[TO_BALL_X, i] * x + block[TO_BALL_Y, i] * y + block[TO_BALL_Z, i] * z
                lengths = block[DISTANCE, i] * sqrt(x * x + y * y + z * z)
                block[field, i] = sign * ratio(along, lengths)
