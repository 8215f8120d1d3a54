"""Every component by name: its parameters, what it reads, and its number for the kernel.

A spec becomes numbers that one kernel runs by a switch, so that a new spec needs no
compilation. Components run over a block of cars at once: the switch costs next to nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numba

from . import components, fields, necto, stateful

MAX_PARAMETERS = 4
FIRST_STATEFUL = 100


class Component(NamedTuple):
    """How a spec names a component, and what it needs."""

    code: int  # in `evaluate`, or from FIRST_STATEFUL on in `evaluate_stateful`
    kernel: Any  # its docstring is the formula
    now: tuple[int, ...]  # fields that it reads
    past: tuple[int, ...] = ()  # and those a step before
    parameters: dict[str, float | bool] = {}  # name -> default  # noqa: RUF012
    positive: tuple[str, ...] = ()  # parameters that must be > 0
    prepare: Callable[..., Sequence[float]] | None = None  # parameters -> the kernel's `p`
    memory: int = 0  # rows
    summary: str = ""  # in place of the kernel's docstring

    @property
    def formula(self) -> str:
        """What it pays, in one line."""
        return self.summary or (self.kernel.__doc__ or "").splitlines()[0]

    def constants(self, parameters: dict[str, float]) -> tuple[float, ...]:
        """The kernel's `p` for these parameters; equal ones are computed once."""
        values = [float(value) for value in parameters.values()]
        if self.prepare is not None:
            values = [float(value) for value in self.prepare(*values)]
        return tuple(values + [0.0] * (MAX_PARAMETERS - len(values)))


_F = fields
_GOAL, _OWN = _F.GOAL_DISTANCE, _F.OWN_GOAL_DISTANCE
_CAR_AND_BALL = (*_F.POSITION, *_F.BALL)
_SCORES = (_F.TEAM_GOALS, _F.CONCEDED)
_FORWARD = (_F.FORWARD_X, _F.FORWARD_Y, _F.FORWARD_Z)
_UP = (_F.UP_X, _F.UP_Y, _F.UP_Z)
_COSINES = (_F.COSINE_TO_GOAL, _F.COSINE_FROM_OWN)
_WIDTHS = {"dispersion": 1.0, "density": 1.0}
_WIDE = tuple(_WIDTHS)
_SIDES = {"offense_dispersion": 1.0, "defense_dispersion": 1.0}
_PRESSURE = {"cutoff": 90.0, "exponent": 0.7, "threshold": 3680.0}


def _pressure(kind: int, summary: str) -> Component:
    reads = (*_CAR_AND_BALL, _GOAL, _OWN, *_SCORES)

    def prepare(cutoff: float, exponent: float, threshold: float) -> Sequence[float]:
        return kind, cutoff, exponent, threshold

    return Component(
        100,
        stateful.pressure,
        reads,
        _SCORES,
        _PRESSURE,
        tuple(_PRESSURE),
        prepare,
        memory=4,
        summary=summary,
    )


def _event(field: int, summary: str) -> Component:
    return Component(
        24,
        components.event,
        (field,),
        (field,),
        prepare=lambda: [field],
        summary=f"max(0, n - n'), n = {summary}",
    )


def _necto(code: int, kernel: Any, now: tuple[int, ...], past: tuple[int, ...] = ()) -> Component:
    return Component(code, kernel, (*now, *_SCORES), (*past, *_SCORES))


_C, _N = components, necto

COMPONENTS: dict[str, Component] = {
    "distance_player_to_ball": Component(
        0,
        _C.distance_player_to_ball,
        (_F.DISTANCE,),
        parameters=_WIDTHS,
        positive=_WIDE,
        prepare=lambda dispersion, density: [dispersion * density],
    ),
    "distance_ball_to_goal": Component(
        1,
        _C.distance_ball_to_goal,
        (_GOAL, _OWN),
        parameters=_WIDTHS | {"own_goal": False},
        positive=_WIDE,
        prepare=lambda dispersion, density, own_goal: [dispersion * density, own_goal],
    ),
    "signed_distance_ball_to_goal": Component(
        2,
        _C.signed_distance_ball_to_goal,
        (_GOAL, _OWN),
        parameters=_WIDTHS | {"own_goal": False},
        positive=_WIDE,
        prepare=lambda dispersion, density, own_goal: [dispersion, 1 / density, own_goal],
    ),
    "distance_ball_to_goal_difference": Component(
        3,
        _C.distance_ball_to_goal_difference,
        (_GOAL, _OWN),
        parameters=_SIDES,
        positive=tuple(_SIDES),
    ),
    "ball_y_coordinate": Component(
        4,
        _C.ball_y_coordinate,
        (_F.BALL_Y,),
        parameters={"exponent": 1.0},
        positive=("exponent",),
    ),
    "goal_probability": Component(5, _C.goal_probability, _F.BALL),
    "align_ball_to_goal": Component(
        6, _C.align_ball_to_goal, _COSINES, parameters={"defense": 0.5, "offense": 0.5}
    ),
    "face_ball": Component(7, _C.face_ball, (*_FORWARD, _F.DISTANCE)),
    "velocity_ball_to_goal": Component(8, _C.velocity_ball_to_goal, (_F.BALL_SPEED_TO_GOAL,)),
    "velocity_player_to_ball": Component(9, _C.velocity_player_to_ball, (_F.SPEED_TO_BALL,)),
    "velocity_player": Component(10, _C.velocity_player, _F.VELOCITY),
    "speed_toward_ball": Component(11, _C.speed_toward_ball, (_F.SPEED_TO_BALL,)),
    "speed_toward_goal": Component(12, _C.speed_toward_goal, (_F.BALL_SPEED_TO_GOAL,)),
    "kickoff": Component(13, _C.kickoff, (_F.BALL_X, _F.BALL_Y, _F.SPEED_TO_BALL)),
    "air_time": Component(14, _C.air_time, (_F.ON_GROUND,)),
    "save_boost": Component(15, _C.save_boost, (_F.BOOST,)),
    "boost_gain": Component(16, _C.boost_gain, (_F.BOOST,), (_F.BOOST,)),
    "boost_loss": Component(17, _C.boost_loss, (_F.BOOST,), (_F.BOOST,)),
    "touch_ball_aerial": Component(
        18,
        _C.touch_ball_aerial,
        (_F.BALL_Z, _F.TOUCHED),
        parameters={"exponent": 1.0},
        positive=("exponent",),
    ),
    "touch_ball_aerial_linear": Component(19, _C.touch_ball_aerial_linear, (_F.BALL_Z, _F.TOUCHED)),
    "touch_ball_to_goal_acceleration": Component(
        20,
        _C.touch_ball_to_goal_acceleration,
        (_F.BALL_SPEED_TO_GOAL, _F.TOUCHED),
        (_F.BALL_SPEED_TO_GOAL,),
    ),
    "touch_strength": Component(
        21, _C.touch_strength, (*_F.BALL_VELOCITY, _F.TOUCHED), _F.BALL_VELOCITY
    ),
    "flip_reset": Component(
        22, _C.flip_reset, (_F.TOUCHED, _F.HAS_FLIP, *_UP, _F.DISTANCE), (_F.HAS_FLIP,)
    ),
    "event_goal": _event(_F.GOALS, "goals that this car has scored"),
    "event_team_goal": _event(_F.TEAM_GOALS, "goals of its team"),
    "event_concede": _event(_F.CONCEDED, "goals of the other team"),
    "event_touch": _event(_F.TOUCHED, "1 while it touches the ball"),
    "event_shot": _event(_F.SHOTS, "its shots"),
    "event_save": _event(_F.SAVES, "its saves"),
    "event_demo": _event(_F.DEMOS, "opponents that it has demolished"),
    "event_demoed": _event(_F.DEMOED, "1 while it is demolished"),
    "offensive_pressure": _pressure(
        stateful.OFFENSIVE, "on scoring: the own cars' share in the siege before the goal, fading"
    ),
    "defensive_pressure": _pressure(
        stateful.DEFENSIVE, "on conceding: the share in the siege before the goal, fading"
    ),
    "counter_pressure": _pressure(
        stateful.COUNTER, "when the ball leaves the own zone after 3 steps: that share, fading"
    ),
    "aerial_distance": Component(
        101, stateful.aerial_distance, (*_CAR_AND_BALL, _F.TOUCHED), _CAR_AND_BALL, memory=2
    ),
    "wave_dash": Component(
        102,
        stateful.wave_dash,
        (*_F.VELOCITY, _F.ON_GROUND, _F.HAS_FLIP, _F.PITCH, _F.YAW, _F.ROLL, _F.JUMP),
        (*_F.VELOCITY, _F.ON_GROUND, _F.HAS_FLIP),
        memory=2,
    ),
    "necto_state_quality": _necto(50, _N.necto_state_quality, _F.BALL, _F.BALL),
    "necto_ball_distance": _necto(51, _N.necto_ball_distance, (_F.DISTANCE,), (_F.DISTANCE,)),
    "necto_alignment": _necto(52, _N.necto_alignment, _COSINES, _COSINES),
    "necto_touch_height": _necto(53, _N.necto_touch_height, (_F.BALL_Z, _F.TOUCHED))._replace(
        parameters={"height": 2044.0}, positive=("height",)
    ),
    "necto_touch_acceleration": _necto(
        54, _N.necto_touch_acceleration, (*_F.BALL_VELOCITY, _F.TOUCHED), _F.BALL_VELOCITY
    ),
    "necto_boost_gain": _necto(55, _N.necto_boost_gain, (_F.BOOST,), (_F.BOOST,)),
    "necto_boost_loss": _necto(56, _N.necto_boost_loss, (_F.BOOST,), (_F.BOOST,)),
    "necto_on_ground": _necto(57, _N.necto_on_ground, (_F.ON_GROUND,)),
    "necto_demo": _necto(58, _N.necto_demo, (_F.DEMOS,), (_F.DEMOS,)),
    "necto_demoed": _necto(59, _N.necto_demoed, (_F.DEMOED,), (_F.DEMOED,)),
    "necto_goal": _necto(60, _N.necto_goal, ()),
    "necto_goal_speed": _necto(61, _N.necto_goal_speed, (), _F.BALL_VELOCITY),
    "necto_concede_distance": _necto(62, _N.necto_concede_distance, _F.POSITION, _F.BALL),
}


@numba.njit(cache=True, nogil=True, error_model="numpy")
def evaluate(code, now, past, p, out):
    """Run the component with this code over a block."""
    if code == 0:
        components.distance_player_to_ball(now, past, p, out)
    elif code == 1:
        components.distance_ball_to_goal(now, past, p, out)
    elif code == 2:
        components.signed_distance_ball_to_goal(now, past, p, out)
    elif code == 3:
        components.distance_ball_to_goal_difference(now, past, p, out)
    elif code == 4:
        components.ball_y_coordinate(now, past, p, out)
    elif code == 5:
        components.goal_probability(now, past, p, out)
    elif code == 6:
        components.align_ball_to_goal(now, past, p, out)
    elif code == 7:
        components.face_ball(now, past, p, out)
    elif code == 8:
        components.velocity_ball_to_goal(now, past, p, out)
    elif code == 9:
        components.velocity_player_to_ball(now, past, p, out)
    elif code == 10:
        components.velocity_player(now, past, p, out)
    elif code == 11:
        components.speed_toward_ball(now, past, p, out)
    elif code == 12:
        components.speed_toward_goal(now, past, p, out)
    elif code == 13:
        components.kickoff(now, past, p, out)
    elif code == 14:
        components.air_time(now, past, p, out)
    elif code == 15:
        components.save_boost(now, past, p, out)
    elif code == 16:
        components.boost_gain(now, past, p, out)
    elif code == 17:
        components.boost_loss(now, past, p, out)
    elif code == 18:
        components.touch_ball_aerial(now, past, p, out)
    elif code == 19:
        components.touch_ball_aerial_linear(now, past, p, out)
    elif code == 20:
        components.touch_ball_to_goal_acceleration(now, past, p, out)
    elif code == 21:
        components.touch_strength(now, past, p, out)
    elif code == 22:
        components.flip_reset(now, past, p, out)
    elif code == 24:
        components.event(now, past, p, out)
    else:
        _evaluate_necto(code, now, past, p, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _evaluate_necto(code, now, past, p, out):
    if code == 50:
        necto.necto_state_quality(now, past, p, out)
    elif code == 51:
        necto.necto_ball_distance(now, past, p, out)
    elif code == 52:
        necto.necto_alignment(now, past, p, out)
    elif code == 53:
        necto.necto_touch_height(now, past, p, out)
    elif code == 54:
        necto.necto_touch_acceleration(now, past, p, out)
    elif code == 55:
        necto.necto_boost_gain(now, past, p, out)
    elif code == 56:
        necto.necto_boost_loss(now, past, p, out)
    elif code == 57:
        necto.necto_on_ground(now, past, p, out)
    elif code == 58:
        necto.necto_demo(now, past, p, out)
    elif code == 59:
        necto.necto_demoed(now, past, p, out)
    elif code == 60:
        necto.necto_goal(now, past, p, out)
    elif code == 61:
        necto.necto_goal_speed(now, past, p, out)
    else:
        necto.necto_concede_distance(now, past, p, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def evaluate_stateful(code, now, past, p, team, n, memory, arena, out):
    """Run the component that remembers with this code over a block."""
    if code == 100:
        stateful.pressure(now, past, p, team, n, memory, arena, out)
    elif code == 101:
        stateful.aerial_distance(now, past, p, team, n, memory, arena, out)
    else:
        stateful.wave_dash(now, past, p, team, n, memory, arena, out)
