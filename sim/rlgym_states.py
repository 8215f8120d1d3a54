"""RLGym v2's `GameState` and Lucy's `GameStates`: one game copied from the one to the other."""

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from rlgym.rocket_league.api import Car, GameConfig, GameState, PhysicsObject
from rlgym.rocket_league.common_values import OCTANE

from .constants import BLUE, GOAL_THRESHOLD_Y, ORANGE, STEPS_PER_SECOND
from .resets import InitialState
from .state import GameStates, allocate

_STEP = 1 / STEPS_PER_SECOND  # s


class Game(NamedTuple):
    """One episode of an RLGym game as Lucy sees it."""

    states: GameStates  # of one arena, without empty slots; overwritten by each step
    agents: tuple[Hashable, ...]  # whose car each slot holds: blue first, else in RLGym's order


def new_game(state: GameState, last: Game | None = None) -> Game:
    """A game with the cars of this state and nothing read yet.

    Args:
        state: its cars say who plays.
        last: a game that is over; its states are used again if the teams are the same.

    Raises:
        ValueError: the state has no cars.
    """
    if not state.cars:
        raise ValueError("the state has no cars: put a FixedTeamSizeMutator first")
    agents = tuple(sorted(state.cars, key=lambda agent: state.cars[agent].team_num))
    teams = np.array([state.cars[agent].team_num for agent in agents])
    if last is not None and np.array_equal(last.states.car_team, teams):
        return Game(last.states, agents)
    return Game(allocate(np.ones((1, len(agents)), np.bool_), teams), agents)


def read_state(state: GameState, game: Game) -> None:
    """Copy all that RLGym's state knows into a game of the same cars.

    Counters, score, previous actions and `episode_start` stay as they are.
    """
    states = game.states
    states.ball_position[0] = state.ball.position
    states.ball_linear_velocity[0] = state.ball.linear_velocity
    states.ball_angular_velocity[0] = state.ball.angular_velocity
    np.equal(state.boost_pad_timers, 0, out=states.boost_pad_active[0])
    for slot, agent in enumerate(game.agents):
        car = state.cars[agent]
        physics, axes = car.physics, car.physics.rotation_mtx
        states.car_position[0, slot] = physics.position
        states.car_linear_velocity[0, slot] = physics.linear_velocity
        states.car_angular_velocity[0, slot] = physics.angular_velocity
        states.car_forward[0, slot] = axes[:, 0]
        states.car_right[0, slot] = axes[:, 1]
        states.car_up[0, slot] = axes[:, 2]
        states.car_boost[0, slot] = np.float32(car.boost_amount) / np.float32(100)
        states.car_on_ground[0, slot] = car.on_ground
        states.car_has_flip[0, slot] = car.has_flip
        states.car_is_demoed[0, slot] = car.is_demoed
        states.car_ball_touched[0, slot] = car.ball_touches > 0


def to_rlgym(states: GameStates, row: int) -> GameState:
    """One arena (or recorded step) as an RLGym state, for RLGym's rewards and renderers.

    What `GameStates` does not hold is filled in: cars are Octanes called blue-0 … orange-0 …
    whose timers stand at zero, wrecks and taken pads come back a step later, the ball is not
    turned and touched once by whoever touched it.

    Args:
        states: A arenas.
        row: which of them.
    """
    state = GameState()
    state.tick_count = 0
    state.config = GameConfig()
    state.config.gravity, state.config.boost_consumption, state.config.dodge_deadzone = 1, 1, 0.5
    state.ball = PhysicsObject()
    _place(
        state.ball,
        states.ball_position[row],
        states.ball_linear_velocity[row],
        states.ball_angular_velocity[row],
    )
    state.ball.rotation_mtx = np.eye(3, dtype=np.float32)
    state.goal_scored = bool(abs(states.ball_position[row, 1]) > GOAL_THRESHOLD_Y)
    state.boost_pad_timers = np.float32(_STEP) * ~states.boost_pad_active[row]
    state.cars = {}
    for team, name in ((BLUE, "blue"), (ORANGE, "orange")):
        slots = np.flatnonzero(states.car_mask[row] & (states.car_team == team)).tolist()
        for number, slot in enumerate(slots):
            state.cars[f"{name}-{number}"] = _car(states, row, slot)
    return state


def _car(states: GameStates, row: int, slot: int) -> Car:
    car = Car()
    for name in ("is_jumping", "has_jumped", "is_holding_jump", "is_autoflipping"):
        setattr(car, name, False)
    for name in ("supersonic_time", "boost_active_time", "handbrake", "jump_time", "flip_time"):
        setattr(car, name, 0.0)
    car.autoflip_timer = car.autoflip_direction = car.air_time_since_jump = 0.0
    car.flip_torque = np.zeros(3, np.float32)
    car.team_num, car.hitbox_type = int(states.car_team[slot]), OCTANE
    car.physics = PhysicsObject()
    _place(
        car.physics,
        states.car_position[row, slot],
        states.car_linear_velocity[row, slot],
        states.car_angular_velocity[row, slot],
    )
    axes = (states.car_forward, states.car_right, states.car_up)
    car.physics.rotation_mtx = np.column_stack([axis[row, slot] for axis in axes])
    car.boost_amount = 100 * float(states.car_boost[row, slot])
    car.on_ground = bool(states.car_on_ground[row, slot])
    car.has_flipped = False
    car.has_double_jumped = not states.car_has_flip[row, slot]
    car.demo_respawn_timer = _STEP if states.car_is_demoed[row, slot] else 0.0
    car.ball_touches = int(states.car_ball_touched[row, slot])
    return car


def place_ball(ball: PhysicsObject, initial: InitialState) -> None:
    """Put RLGym's ball where an episode starts."""
    _place(ball, initial.ball_position, initial.ball_linear_velocity, initial.ball_angular_velocity)


def place_car(car: Car, initial: InitialState, row: int) -> None:
    """Put one of RLGym's cars where an episode starts: the initial state's car `row`."""
    _place(
        car.physics,
        initial.car_position[row],
        initial.car_linear_velocity[row],
        initial.car_angular_velocity[row],
    )
    car.physics.rotation_mtx = np.array(initial.car_rotation[row].T, np.float32)
    car.boost_amount = 100 * float(initial.car_boost[row])
    car.on_ground = bool(initial.car_on_ground[row])


def _place(
    thing: PhysicsObject, position: np.ndarray, velocity: np.ndarray, angular_velocity: np.ndarray
) -> None:
    thing.position = position.astype(np.float32)
    thing.linear_velocity = velocity.astype(np.float32)
    thing.angular_velocity = angular_velocity.astype(np.float32)
