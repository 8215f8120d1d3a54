"""Frames of a replay, some 30 a second, on the even steps of a recording."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .constants import TICK_SKIP, TICKS_PER_SECOND
from .state import GameStates, allocate

NOBODY, UNKNOWN = -1, -2  # who demolished a car; UNKNOWN: a car that the file does not name

_DEMOLITION_SECONDS = 3.3  # a car is back after 3; one that is gone for longer has left


class Frames(NamedTuple):
    """One period of play, kickoff to goal: F frames of C cars, in the order of the names."""

    ticks: np.ndarray  # [F] float64, from the period's first frame
    ball: np.ndarray  # [F,9] position, velocity, angular velocity
    cars: np.ndarray  # [F,C,9]
    quaternion: np.ndarray  # [F,C,4] w, x, y, z
    boost: np.ndarray  # [F,C] 0..1
    flags: np.ndarray  # [F,C,4] bool: on ground, has flip, gone, ball touched
    victim: np.ndarray  # [F,C] int: whom the car bumped last, as RocketSim infers; -1 nobody
    counters: np.ndarray  # [F,C,3] int: goals, saves, shots
    pads: np.ndarray  # [F,34] bool
    score: np.ndarray  # [F,2] int
    actions: np.ndarray  # [F,C,8] from this frame to the next
    # [F,C] int: whose car demolished this one on this frame, by the file; None: no such record
    demolished_by: np.ndarray | None = None


def resample(frames: Frames, team: np.ndarray) -> GameStates:
    """One period on even steps, but for the last: it is the period's last frame."""
    end = frames.ticks[-1]
    times = np.append(np.arange(0.0, end - TICK_SKIP / 2, TICK_SKIP), end)
    present = ~_absent(frames)
    low = (np.searchsorted(frames.ticks, times, side="right") - 1).clip(0, len(frames.ticks) - 1)
    high = (low + 1).clip(max=len(frames.ticks) - 1)
    span = np.maximum(frames.ticks[high] - frames.ticks[low], 1e-9)
    share = ((times - frames.ticks[low]) / span).clip(0, 1)
    near = np.where(share < 0.5, low, high)

    states = allocate(present[near], team)
    ball = _blend(frames.ball, low, high, share[:, None])
    cars = _blend(frames.cars, low, high, share[:, None, None])
    turned = _normal(frames.quaternion)
    sign = np.where((turned[low] * turned[high]).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    weight = share[:, None, None]
    quaternion = (1 - weight) * turned[low] + weight * sign * turned[high]
    gone = frames.flags[:, :, 2]
    jumps = gone[low] != gone[high]  # a respawn is elsewhere: nothing lies between
    cars[jumps], quaternion[jumps] = frames.cars[near][jumps], turned[near][jumps]
    for states_of, values in ((states[:3], ball), (states[3:6], cars)):
        for part, array in enumerate(states_of):
            array[:] = values[..., 3 * part : 3 * part + 3]
    _write_axes(states, quaternion)
    states.car_boost[:] = frames.boost[near]
    for part, array in enumerate((states.car_on_ground, states.car_has_flip, states.car_is_demoed)):
        array[:] = frames.flags[near][:, :, part]
    states.car_demos[:] = np.cumsum(_demolitions(frames), axis=0)[near]
    _write_between(states, frames, low, near)
    for part, array in enumerate((states.car_goals, states.car_saves, states.car_shots)):
        array[:] = frames.counters[low][:, :, part]
    states.boost_pad_active[:] = frames.pads[near]
    states.score[:] = frames.score[low]
    states.episode_start[0] = True
    _clear(states)
    return states


def join(periods: Sequence[GameStates]) -> GameStates:
    """Periods one after another; demolitions go on counting, as the other counters do."""
    demos = np.zeros_like(periods[0].car_demos[0])
    for states in periods:
        states.car_demos[:] += demos
        demos = states.car_demos[-1]
    return concatenate(periods)


def concatenate(parts: Sequence[GameStates]) -> GameStates:
    """Steps of the same cars one after another, as they are."""
    arrays = {
        name: np.concatenate([getattr(states, name) for states in parts])
        for name in GameStates._fields
        if name != "car_team"
    }
    return GameStates(**arrays, car_team=parts[0].car_team)


def choose_cars(states: GameStates, cars: np.ndarray) -> GameStates:
    """The steps with these car slots alone."""
    return GameStates(
        **{
            name: array[cars] if name == "car_team" else array[:, cars]
            for name, array in states._asdict().items()
            if name.startswith("car_") or name == "previous_action"
        },
        **{
            name: array
            for name, array in states._asdict().items()
            if not (name.startswith("car_") or name == "previous_action")
        },
    )


def _blend(values: np.ndarray, low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (1 - share) * values[low] + share * values[high]


def _normal(quaternion: np.ndarray) -> np.ndarray:
    """Of length 1, but for cars that have none because they are not there."""
    length = np.linalg.norm(quaternion, axis=-1, keepdims=True)
    return quaternion / np.where(length > 0, length, 1)


def _absent(frames: Frames) -> np.ndarray:
    """Cars that are gone without a demolition, or for longer than one lasts: [F,C] bool."""
    gone = frames.flags[:, :, 2]
    if frames.demolished_by is None:
        return gone.copy()
    absent = np.zeros_like(gone)
    for car, values in enumerate(gone.T):
        edges = np.flatnonzero(np.diff(values.astype(np.int8), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2):
            absent[start:stop, car] = True
            records = np.flatnonzero(frames.demolished_by[start:stop, car] != NOBODY)
            if len(records):
                since = frames.ticks[start:stop] - frames.ticks[start + records[0]]
                lasts = (since >= 0) & (since <= _DEMOLITION_SECONDS * TICKS_PER_SECOND)
                absent[start:stop, car] = ~lasts
    return absent


def _demolitions(frames: Frames) -> np.ndarray:
    """How many cars each has demolished on each frame: [F,C] int32."""
    demos = np.zeros(frames.boost.shape, np.int32)
    if frames.demolished_by is None:
        return demos
    for frame, victim in np.argwhere(frames.demolished_by != NOBODY):
        attacker = frames.demolished_by[frame, victim]
        if attacker == UNKNOWN:
            demos[frame] += frames.victim[frame] == victim
        else:
            demos[frame, attacker] += 1
    return demos


def _write_axes(states: GameStates, quaternion: np.ndarray) -> None:
    """Source: RLGym v2 `quat_to_rot_mtx`, whose columns are forward, right and up."""
    w, x, y, z = np.moveaxis(_normal(quaternion), -1, 0)
    forward = (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w))
    right = (2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w))
    up = (2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y))
    for array, axis in zip(states[6:9], (forward, right, up), strict=True):
        array[:] = np.stack(axis, axis=-1)


def _write_between(states: GameStates, frames: Frames, low: np.ndarray, near: np.ndarray) -> None:
    """What happened since the step before: touches and what was pressed."""
    touched = frames.flags[:, :, 3]
    for step in range(1, len(near)):
        since, until = near[step - 1] + 1, near[step] + 1
        states.car_ball_touched[step] = touched[since:until].any(axis=0)
        pressed = frames.actions[low[step - 1] : max(low[step], low[step - 1] + 1)]
        states.previous_action[step, :, :5] = pressed[..., :5].mean(axis=0)
        states.previous_action[step, :, 5:] = pressed[..., 5:].max(axis=0) > 0


def _clear(states: GameStates) -> None:
    """Zero the slots of those who are not there, but for counters: these must never fall."""
    kept = ("car_team", "car_mask", "car_goals", "car_saves", "car_shots", "car_demos")
    for name, array in states._asdict().items():
        if name.startswith("car_") and name not in kept:
            array[~states.car_mask] = 0
    states.previous_action[~states.car_mask] = 0
