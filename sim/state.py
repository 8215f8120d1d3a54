"""`GameStates`: the arrays that every other room reads."""

from typing import NamedTuple

import numpy as np

from .constants import BLUE, N_BOOST_PADS, ORANGE


class GameStates(NamedTuple):
    """A arenas (or T recorded steps) of C car slots; blue cars come first.

    All arrays are C-contiguous, preallocated and written in place. Where arenas of
    several sizes share one pool, C is the largest arena's and `car_mask` says which
    slots hold a car; the values of empty slots are zero.
    """

    ball_position: np.ndarray  # [A,3] float32, uu
    ball_linear_velocity: np.ndarray  # [A,3] float32, uu/s
    ball_angular_velocity: np.ndarray  # [A,3] float32, rad/s
    car_position: np.ndarray  # [A,C,3] float32, uu
    car_linear_velocity: np.ndarray  # [A,C,3] float32, uu/s
    car_angular_velocity: np.ndarray  # [A,C,3] float32, rad/s
    car_forward: np.ndarray  # [A,C,3] float32, unit vector
    car_right: np.ndarray  # [A,C,3] float32, unit vector
    car_up: np.ndarray  # [A,C,3] float32, unit vector
    car_boost: np.ndarray  # [A,C] float32, 0..1
    car_on_ground: np.ndarray  # [A,C] bool
    car_has_flip: np.ndarray  # [A,C] bool
    car_is_demoed: np.ndarray  # [A,C] bool
    car_ball_touched: np.ndarray  # [A,C] bool, since the previous step
    car_goals: np.ndarray  # [A,C] int32, since the arena was made, as the next three
    car_saves: np.ndarray  # [A,C] int32
    car_shots: np.ndarray  # [A,C] int32
    car_demos: np.ndarray  # [A,C] int32
    boost_pad_active: np.ndarray  # [A,34] bool, RLGym's pad order
    score: np.ndarray  # [A,2] int32, blue and orange
    previous_action: np.ndarray  # [A,C,8] float32: throttle, steer, pitch, yaw, roll,
    #                              jump, boost, handbrake
    episode_start: np.ndarray  # [A] bool: a fresh initial state
    car_team: np.ndarray  # [C] int32, 0 blue, 1 orange
    car_mask: np.ndarray  # [A,C] bool: the slot holds a car


def allocate(car_mask: np.ndarray, car_team: np.ndarray) -> GameStates:
    """Zeroed states for the given slots.

    Args:
        car_mask: [A,C] bool, which slots hold a car.
        car_team: [C], 0 blue and 1 orange, blue first.

    Returns:
        States with A arenas of C slots.
    """
    arenas, cars = car_mask.shape

    def zeros(*shape: int, dtype: type = np.float32) -> np.ndarray:
        return np.zeros((arenas, *shape), dtype)

    return GameStates(
        ball_position=zeros(3),
        ball_linear_velocity=zeros(3),
        ball_angular_velocity=zeros(3),
        car_position=zeros(cars, 3),
        car_linear_velocity=zeros(cars, 3),
        car_angular_velocity=zeros(cars, 3),
        car_forward=zeros(cars, 3),
        car_right=zeros(cars, 3),
        car_up=zeros(cars, 3),
        car_boost=zeros(cars),
        car_on_ground=zeros(cars, dtype=np.bool_),
        car_has_flip=zeros(cars, dtype=np.bool_),
        car_is_demoed=zeros(cars, dtype=np.bool_),
        car_ball_touched=zeros(cars, dtype=np.bool_),
        car_goals=zeros(cars, dtype=np.int32),
        car_saves=zeros(cars, dtype=np.int32),
        car_shots=zeros(cars, dtype=np.int32),
        car_demos=zeros(cars, dtype=np.int32),
        boost_pad_active=zeros(N_BOOST_PADS, dtype=np.bool_),
        score=zeros(2, dtype=np.int32),
        previous_action=zeros(cars, 8),
        episode_start=zeros(dtype=np.bool_),
        car_team=np.ascontiguousarray(car_team, np.int32),
        car_mask=np.ascontiguousarray(car_mask, np.bool_),
    )


def team_slots(team_size: int) -> np.ndarray:
    """The teams of a full arena's slots: [2·team_size] int32, blue first."""
    return np.repeat(np.array([BLUE, ORANGE], np.int32), team_size)


def select(states: GameStates, rows: slice) -> GameStates:
    """The states of some arenas, as views into the same memory."""
    views = {name: array[rows] for name, array in states._asdict().items() if name != "car_team"}
    return states._replace(**views)
