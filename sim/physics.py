"""What RocketSim tells of cars, ball and pads, as rows of numbers, and back.

Cars go by their index in the arena, since RocketSim's ids change when cars are built anew; and
ticks are counted back from now, since an arena's clock cannot be set.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import RocketSim

LONGEST_AGO = 1200  # ticks: RocketSim looks back 4 s at most, for the scorer of a goal

_NOBODY = -1.0
_NEVER = -1.0
_UNSET = 1 << 63  # RocketSim's ticks of what has not happened lie beyond

_NUMBERS = (
    *("boost", "air_time", "air_time_since_jump", "auto_flip_timer", "auto_flip_torque_scale"),
    *("boosting_time", "car_contact_cooldown_timer", "demo_respawn_timer", "flip_time"),
    *("handbrake_val", "jump_time", "supersonic_time", "time_spent_boosting"),
)
_FLAGS = (
    *("has_double_jumped", "has_flipped", "has_jumped", "has_world_contact", "is_auto_flipping"),
    *("is_demoed", "is_flipping", "is_jumping", "is_on_ground", "is_supersonic"),
)
_VECTORS = ("pos", "vel", "ang_vel", "flip_rel_torque", "world_contact_normal")
_AXES = ("throttle", "steer", "pitch", "yaw", "roll")
_BUTTONS = ("jump", "boost", "handbrake")
_HIT_VECTORS = ("ball_pos", "extra_hit_vel", "relative_pos_on_ball")
_HIT_TICKS = ("tick_count_when_hit", "tick_count_when_extra_impulse_applied")
_BALL_VECTORS = ("pos", "vel", "ang_vel")

N_CAR_COLUMNS = (
    len(_NUMBERS)
    + len(_FLAGS)
    + 3 * len(_VECTORS)
    + 9
    + 4
    + len(_AXES)
    + len(_BUTTONS)
    + 1
    + 1
    + 3 * len(_HIT_VECTORS)
    + len(_HIT_TICKS)
)
N_BALL_COLUMNS = 3 * len(_BALL_VECTORS) + 9 + 1
N_PAD_COLUMNS = 3


def car_row(car: RocketSim.CarState, now: int, index: Mapping[int, int]) -> list[float]:
    """A car's state as numbers.

    Args:
        car: its state.
        now: the arena's tick.
        index: of the arena's cars, by RocketSim's id.
    """
    row = [getattr(car, name) for name in _NUMBERS + _FLAGS]
    for name in _VECTORS:
        row += getattr(car, name).as_tuple()
    for axis in car.rot_mat.as_tuple():
        row += axis
    row += car.wheels_with_contact  # pyright: ignore[reportOperatorIssue]  # a tuple of four
    row += [getattr(car.last_controls, name) for name in _AXES + _BUTTONS]
    row.append(index.get(car.car_contact_id, _NOBODY))
    hit = car.ball_hit_info
    row.append(hit.is_valid)
    for name in _HIT_VECTORS:
        row += getattr(hit, name).as_tuple()
    for name in _HIT_TICKS:
        tick = getattr(hit, name)
        row.append(_NEVER if tick >= _UNSET else min(now - tick, LONGEST_AGO))
    return row


def car_state(row: Sequence[float], now: int, ids: Sequence[int]) -> RocketSim.CarState:
    """The state that `car_row` made numbers of.

    Args:
        row: of `car_row`.
        now: the arena's tick, at least `LONGEST_AGO`.
        ids: RocketSim's, of the arena's cars.
    """
    values = iter(row)
    car = RocketSim.CarState()
    for name in _NUMBERS:
        setattr(car, name, next(values))
    for name in _FLAGS:
        setattr(car, name, bool(next(values)))
    for name in _VECTORS:
        setattr(car, name, _vector(values))
    car.rot_mat = RocketSim.RotMat(*islice(values, 9))  # pyright: ignore[reportArgumentType]
    car.wheels_with_contact = tuple(map(bool, islice(values, 4)))  # pyright: ignore[reportAttributeAccessIssue]
    controls = RocketSim.CarControls()
    for name in _AXES:
        setattr(controls, name, next(values))
    for name in _BUTTONS:
        setattr(controls, name, bool(next(values)))
    car.last_controls = controls
    car.car_contact_id = _id(next(values), ids)
    hit = RocketSim.BallHitInfo()
    hit.is_valid = bool(next(values))
    for name in _HIT_VECTORS:
        setattr(hit, name, _vector(values))
    for name in _HIT_TICKS:
        ago = next(values)
        if ago != _NEVER:
            setattr(hit, name, now - int(ago))
    car.ball_hit_info = hit
    return car


def ball_row(ball: RocketSim.BallState, index: Mapping[int, int]) -> list[float]:
    """The ball's state as numbers; see `car_row`."""
    row: list[float] = []
    for name in _BALL_VECTORS:
        row += getattr(ball, name).as_tuple()
    for axis in ball.rot_mat.as_tuple():
        row += axis
    row.append(index.get(ball.last_hit_car_id, _NOBODY))
    return row


def ball_state(row: Sequence[float], ids: Sequence[int]) -> RocketSim.BallState:
    """The state that `ball_row` made numbers of."""
    values = iter(row)
    ball = RocketSim.BallState()
    for name in _BALL_VECTORS:
        setattr(ball, name, _vector(values))
    ball.rot_mat = RocketSim.RotMat(*islice(values, 9))  # pyright: ignore[reportArgumentType]
    ball.last_hit_car_id = _id(next(values), ids)
    return ball


def pad_row(pad: RocketSim.BoostPadState, index: Mapping[int, int]) -> list[float]:
    """A pad's state as numbers; see `car_row`."""
    return [pad.cooldown, pad.is_active, index.get(pad.prev_locked_car_id, _NOBODY)]


def pad_state(row: Sequence[float], ids: Sequence[int]) -> RocketSim.BoostPadState:
    """The state that `pad_row` made numbers of."""
    pad = RocketSim.BoostPadState()
    pad.cooldown, pad.is_active = row[0], bool(row[1])
    pad.prev_locked_car_id = _id(row[2], ids)
    return pad


def _vector(values: Iterator[float]) -> RocketSim.Vec:
    return RocketSim.Vec(*islice(values, 3))


def _id(index: float, ids: Sequence[int]) -> int:
    return 0 if index == _NOBODY else ids[int(index)]
