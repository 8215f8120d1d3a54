"""The rewards in plain NumPy: what the kernels are checked and timed against.

Written from the formulas alone, over [A,C] in float64, with none of the kernels' code.
Components that remember more than one step are not in it: recorded play checks them.
"""

from collections.abc import Callable

import numpy as np

from ..rewards.registry import COMPONENTS
from ..rewards.spec import RewardSpec, Term
from ..sim.state import GameStates

GOAL = np.array([0, 6000, 321.3875])
OWN_GOAL = np.array([0, -6000, 321.3875])
NECTO_GOAL = np.array([0, 5560, 321.3875])
R = 92.75
GAP = 880 + R


class Game:
    """The states in team-relative coordinates: every car attacks the goal at +y."""

    def __init__(self, states: GameStates) -> None:
        """Turn the states."""
        turn = np.where(states.car_team == 1, -1.0, 1.0)[:, None] * [1, 1, 0] + [0, 0, 1]
        self.p = states.car_position * turn
        self.v_p = states.car_linear_velocity * turn
        self.b = states.ball_position[:, None] * turn
        self.v_b = states.ball_linear_velocity[:, None] * turn
        self.forward, self.up = states.car_forward * turn, states.car_up * turn
        self.boost = states.car_boost.astype(np.float64)
        self.touched = states.car_ball_touched.astype(int)
        self.demoed = states.car_is_demoed.astype(int)
        self.on_ground = states.car_on_ground.astype(int)
        self.has_flip = states.car_has_flip.astype(int)
        self.goals, self.saves = states.car_goals, states.car_saves
        self.shots, self.demos = states.car_shots, states.car_demos
        self.team_goals = states.score[:, states.car_team]
        self.conceded = states.score[:, 1 - states.car_team]


def norm(x: np.ndarray) -> np.ndarray:
    """‖x‖."""
    return np.linalg.norm(x, axis=-1)


def unit_dot(direction: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """û(direction)·velocity, 0 for no direction."""
    size = norm(direction)
    return (direction * velocity).sum(-1) / np.where(size > 0, size, 1)


def cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """cos(x, y), 0 where one is zero."""
    size = norm(y)
    return unit_dot(x, y) / np.where(size > 0, size, 1)


def closeness(
    now: Game, goal: np.ndarray, dispersion: float, density: float, scale: float = 6000
) -> np.ndarray:
    """How near the ball is to a goal's back."""
    return np.exp(-0.5 * (norm(now.b - goal) - GAP) / (scale * dispersion)) ** (1 / density)


def signed_power(x: np.ndarray, exponent: float) -> np.ndarray:
    """sign(x)·|x|^exponent."""
    return np.sign(x) * np.abs(x) ** exponent


def signed_distance(now: Game, dispersion: float, density: float, own_goal: float) -> np.ndarray:
    """REFERENCE's signed_distance_ball_to_goal."""
    near = closeness(now, OWN_GOAL if own_goal else GOAL, dispersion, 1, 4570)
    return signed_power(2 * (near - 0.5), 1 / density)


def solid_angle(now: Game, goal_y: float) -> np.ndarray:
    """Of a goal's mouth: of two triangles, by Van Oosterom's and Strackee's formula."""
    corners = [np.array([x, goal_y, z]) for x, z in ((-1, 0), (-1, 1), (1, 1), (1, 0))]
    scale = np.array([892.755, 1, 642.775])
    a, b, c, d = (corner * scale - now.b for corner in corners)
    triangles = [
        2
        * np.arctan2(
            np.abs((u * np.cross(v, w)).sum(-1)),
            norm(u) * norm(v) * norm(w)
            + (u * v).sum(-1) * norm(w)
            + (u * w).sum(-1) * norm(v)
            + (v * w).sum(-1) * norm(u),
        )
        for u, v, w in ((a, b, c), (a, c, d))
    ]
    return triangles[0] + triangles[1]


def goal_probability(now: Game) -> np.ndarray:
    """How much larger the attacked goal looks from the ball."""
    attacked, own = solid_angle(now, 5120), solid_angle(now, -5120)
    inside = np.abs(now.b[..., 1]) >= 5120
    return np.where(inside, np.sign(now.b[..., 1]), (attacked - own) / (attacked + own))


def reset_of_flip(now: Game, before: Game) -> np.ndarray:
    """REFERENCE-free flip_reset: touched, flip regained, ball within 45° below."""
    below = cosine(now.b - now.p, -now.up) > np.sqrt(0.5)
    return now.touched * (now.has_flip > before.has_flip) * below


def increase(field: str) -> Callable[[Game, Game], np.ndarray]:
    """Of a counter."""
    return lambda now, before: np.maximum(0, getattr(now, field) - getattr(before, field))


def in_play(part: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """A part of Necto's reward, which a goal suspends."""

    def gated(now: Game, before: Game, **parameters: float) -> np.ndarray:
        goal = (now.team_goals > before.team_goals) | (now.conceded > before.conceded)
        return np.where(goal, 0, part(now, before, **parameters))

    return gated


def quality(now: Game) -> np.ndarray:
    """Necto's state quality."""
    attacked, own = norm(NECTO_GOAL - now.b), norm(NECTO_GOAL * [1, -1, 1] - now.b)
    return np.exp(-attacked / 2300) - np.exp(-own / 2300)


def alignment(now: Game, defense: float = 0.5, offense: float = 0.5) -> np.ndarray:
    """Lucy's, and with halves Necto's."""
    to_ball = now.b - now.p
    return defense * cosine(to_ball, now.p - OWN_GOAL) + offense * cosine(to_ball, GOAL - now.p)


def scored(now: Game, before: Game) -> np.ndarray:
    """Whether the own team did."""
    return now.team_goals > before.team_goals


TWINS: dict[str, Callable[..., np.ndarray]] = {
    "distance_player_to_ball": lambda now, _, dispersion, density: (
        np.exp(-0.5 * (norm(now.p - now.b) - R) / (2300 * dispersion)) ** (1 / density)
    ),
    "distance_ball_to_goal": lambda now, _, dispersion, density, own_goal: closeness(
        now, OWN_GOAL if own_goal else GOAL, dispersion, density
    ),
    "signed_distance_ball_to_goal": lambda now, _, **p: signed_distance(now, **p),
    "distance_ball_to_goal_difference": lambda now, _, offense_dispersion, defense_dispersion: (
        closeness(now, GOAL, offense_dispersion, 1)
        - closeness(now, OWN_GOAL, defense_dispersion, 1)
    ),
    "ball_y_coordinate": lambda now, _, exponent: signed_power(
        now.b[..., 1] / (5120 + R), exponent
    ),
    "goal_probability": lambda now, _: goal_probability(now),
    "align_ball_to_goal": lambda now, _, **p: alignment(now, **p),
    "face_ball": lambda now, _: unit_dot(now.b - now.p, now.forward),
    "velocity_ball_to_goal": lambda now, _: unit_dot(GOAL - now.b, now.v_b) / 6000,
    "velocity_player_to_ball": lambda now, _: unit_dot(now.b - now.p, now.v_p) / 2300,
    "velocity_player": lambda now, _: norm(now.v_p) / 2300,
    "speed_toward_ball": lambda now, _: np.maximum(0, unit_dot(now.b - now.p, now.v_p)) / 2300,
    "speed_toward_goal": lambda now, _: np.maximum(0, unit_dot(GOAL - now.b, now.v_b)) / 6000,
    "kickoff": lambda now, _: (
        (now.b[..., :2] == 0).all(-1) * unit_dot(now.b - now.p, now.v_p) / 2300
    ),
    "air_time": lambda now, _: 1 - now.on_ground,
    "save_boost": lambda now, _: np.sqrt(now.boost),
    "boost_gain": lambda now, then: np.maximum(0, np.sqrt(now.boost) - np.sqrt(then.boost)),
    "boost_loss": lambda now, then: np.maximum(0, np.sqrt(then.boost) - np.sqrt(now.boost)),
    "touch_ball_aerial": lambda now, _, exponent: (
        now.touched * ((now.b[..., 2] + R) / (2 * R)) ** exponent
    ),
    "touch_ball_aerial_linear": lambda now, _: now.touched * now.b[..., 2] / 2044,
    "touch_ball_to_goal_acceleration": lambda now, then: (
        now.touched * (unit_dot(GOAL - now.b, now.v_b) - unit_dot(GOAL - then.b, then.v_b)) / 2300
    ),
    "touch_strength": lambda now, then: now.touched * norm(now.v_b - then.v_b) / 6000,
    "flip_reset": reset_of_flip,
    "event_goal": increase("goals"),
    "event_team_goal": increase("team_goals"),
    "event_concede": increase("conceded"),
    "event_touch": increase("touched"),
    "event_shot": increase("shots"),
    "event_save": increase("saves"),
    "event_demo": increase("demos"),
    "event_demoed": increase("demoed"),
    "necto_state_quality": in_play(lambda now, then: quality(now) - quality(then)),
    "necto_ball_distance": in_play(
        lambda now, then: (
            np.exp(-norm(now.b - now.p) / 1410) - np.exp(-norm(then.b - then.p) / 1410)
        )
    ),
    "necto_alignment": in_play(lambda now, then: alignment(now) - alignment(then)),
    "necto_touch_height": in_play(
        lambda now, _, height: now.touched * now.b[..., 2] / height,
    ),
    "necto_touch_acceleration": in_play(
        lambda now, then: now.touched * norm(now.v_b - then.v_b) / 2300
    ),
    "necto_boost_gain": in_play(
        lambda now, then: np.maximum(0, np.sqrt(now.boost) - np.sqrt(then.boost))
    ),
    "necto_boost_loss": in_play(
        lambda now, then: np.maximum(0, np.sqrt(then.boost) - np.sqrt(now.boost))
    ),
    "necto_on_ground": in_play(lambda now, _: now.on_ground),
    "necto_demo": in_play(lambda now, then: now.demos > then.demos),
    "necto_demoed": in_play(increase("demoed")),
    "necto_goal": lambda now, then: scored(now, then) * 1.0,
    "necto_goal_speed": lambda now, then: scored(now, then) * norm(then.v_b) / 6000,
    "necto_concede_distance": lambda now, then: (
        (now.conceded > then.conceded) * (1 - np.exp(-norm(now.p - then.b) / 2300))
    ),
}


def twin_value(term: Term, now: Game, before: Game) -> np.ndarray:
    """A term's value."""
    if not term.parts:
        return TWINS[term.component or ""](now, before, **term.parameters)
    factors = np.array([part.weight * twin_value(part, now, before) for part in term.parts])
    if term.sum:
        return factors.sum(axis=0)
    sign = np.where((factors > 0).all(axis=0), 1, -1)
    return sign * np.abs(factors).prod(axis=0) ** (1 / len(factors))


class TwinReward:
    """R' of every step after the states it starts from."""

    def __init__(self, spec: RewardSpec, start: GameStates) -> None:
        """Begin episodes in these states."""
        self.spec, self.before = spec, Game(start)
        self.potential: np.ndarray | None = None
        self.mask, self.team = start.car_mask, start.car_team

    def step(self, states: GameStates) -> tuple[np.ndarray, ...]:
        """Value, weighted, undistributed and reward [A,C,K] of the next states."""
        spec, now = self.spec, Game(states)
        value = [twin_value(term, now, self.before) for term in spec.terms]
        weighted = [term.weight_at(0) * v for term, v in zip(spec.terms, value, strict=True)]
        n = len(spec.potential)
        potential = np.array(weighted[:n]).reshape(n, *self.mask.shape)
        then = self.potential
        shaping = 0 * potential if then is None else spec.gamma * potential - then
        self.before, self.potential = now, potential
        undistributed = np.moveaxis(np.array([*shaping, *weighted[n:]]), 0, -1)
        stacked = (np.stack(parts, axis=-1) for parts in (value, weighted))
        return *stacked, undistributed, self.share(undistributed)

    def share(self, paid: np.ndarray) -> np.ndarray:
        """After team spirit."""
        there = self.mask[..., None]
        own, other = (
            np.where((self.team[None, :] == side[:, None])[None], self.mask[:, None], False)
            for side in (self.team, 1 - self.team)
        )
        paid = np.where(there, paid, 0)
        mean_own, mean_other = (
            np.einsum("acd,adk->ack", who, paid) / np.maximum(1, who.sum(-1))[..., None]
            for who in (own.astype(float), other.astype(float))
        )
        spirit = self.spec.team_spirit
        shared = (1 - spirit) * paid + spirit * mean_own - self.spec.zero_sum * mean_other
        return np.where(there, shared, 0)


def has_twin(name: str) -> bool:
    """Whether the component needs no memory."""
    return not COMPONENTS[name].memory
