"""Reset source `replays`: states that recorded games went through."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .constants import (
    BACK_NET_Y,
    BACK_WALL_Y,
    BALL_MAX_SPEED,
    BLUE,
    BOOST_PAD_POSITIONS,
    CAR_MAX_ANGULAR_SPEED,
    CAR_MAX_SPEED,
    CEILING_Z,
    ORANGE,
    SIDE_WALL_X,
    TICKS_PER_SECOND,
)
from .file_search import search_folder
from .recording import SUFFIX, Recording, load_recording
from .resets import InitialState
from .state import GameStates

MAX_STATES = 100_000  # 46 MiB of 2v2; of more only every second, fourth, … step is kept
_MAX_TEAM_SIZE = 3

_BIG_PAD_HEIGHT = 71.0  # big pads are at 73, small at 70
_BIG_PAD_SECONDS, _SMALL_PAD_SECONDS = 10.0, 4.0
_TOLERANCE = 1.02  # what a recording's rounding may exceed the game's limits by


class ReplayStatesError(ValueError):
    """There are no states to draw; the message names the path and the way out."""


class _Table(NamedTuple):
    """S states of n cars each, as the fields of `InitialState`, with an axis of states first."""

    ball_position: np.ndarray
    ball_linear_velocity: np.ndarray
    ball_angular_velocity: np.ndarray
    car_position: np.ndarray
    car_linear_velocity: np.ndarray
    car_angular_velocity: np.ndarray
    car_rotation: np.ndarray
    car_boost: np.ndarray
    car_on_ground: np.ndarray
    boost_pad_cooldown: np.ndarray


class ReplayStates:
    """Draws states from recordings, each as likely as any other.

    A recording serves arenas of its own team size. Where there is none of an arena's size,
    the next larger ones do, of which a random choice of cars stays. States in which somebody
    is demolished, or the ball is in a goal, are left out.

    Draws depend on the generator and on the files in the order of their names alone.
    """

    def __init__(self, path: Path, team_sizes: Iterable[int], max_states: int = MAX_STATES) -> None:
        """Read the recordings.

        Args:
            path: a recording, or a folder whose recordings are taken, its subfolders' too.
            team_sizes: of the arenas that are going to ask.
            max_states: to keep in memory.

        Raises:
            ReplayStatesError: no recording there, or no state for one of the sizes.
            RecordingError: a file is no valid recording.
        """
        tables = _read_tables(_recording_files(path), max_states)
        self._tables = {
            size: _join([table for own_size, table in tables if own_size == size])
            for size in sorted({size for size, _ in tables})
        }
        self._serving: dict[int, int] = {}
        for size in team_sizes:
            larger = [own_size for own_size in self._tables if own_size >= size]
            if not larger:
                there = ", ".join(f"{own}v{own}" for own in self._tables) or "none at all"
                raise ReplayStatesError(
                    f"{path}: has no usable state of {size}v{size} or larger play (it has "
                    f"{there}); record or import such games, or take `replays` out of "
                    "environment.resets"
                )
            self._serving[size] = larger[0]

    @property
    def counts(self) -> dict[int, int]:
        """How many states there are, by team size."""
        return {size: len(table.car_boost) for size, table in self._tables.items()}

    def __call__(self, rng: np.random.Generator, team_size: int) -> InitialState:
        """Draw a state; see `ResetSource`."""
        size = self._serving[team_size]
        table = self._tables[size]
        row = int(rng.integers(len(table.car_boost)))
        state = InitialState(*(values[row] for values in table))
        if size == team_size:
            return state
        stay = [rng.permutation(size)[:team_size] + side * size for side in (BLUE, ORANGE)]
        cars = np.concatenate(stay)
        return state._replace(
            **{field: getattr(state, field)[cars] for field in state._fields if field[:3] == "car"}
        )


def _recording_files(path: Path) -> list[Path]:
    if not path.is_dir():
        files = [path] if path.exists() else []
    else:
        files = search_folder(path, (SUFFIX,)).files
    if not files:
        raise ReplayStatesError(
            f"{path}: expected a recording, or a folder with some; make them with "
            "`lucy replays import` or `lucy match --record`"
        )
    return files


def _read_tables(files: list[Path], max_states: int) -> list[tuple[int, _Table]]:
    """Team size and states of each file, thinned evenly where they would be too many."""
    tables: list[tuple[int, _Table]] = []
    stride = 1
    for file in files:
        size, table = _usable_states(load_recording(file))
        if size:
            tables.append((size, _take(table, slice(None, None, stride))))
        while sum(len(table.car_boost) for _, table in tables) > max_states:
            stride *= 2
            tables = [(size, _take(table, slice(None, None, 2))) for size, table in tables]
    return tables


def _take(table: _Table, rows: slice | np.ndarray) -> _Table:
    return _Table(*(np.ascontiguousarray(values[rows]) for values in table))


def _join(tables: list[_Table]) -> _Table:
    joined = _Table(*(np.concatenate(values) for values in zip(*tables, strict=True)))
    for values in joined:
        values.flags.writeable = False  # draws are views
    return joined


def _usable_states(recording: Recording) -> tuple[int, _Table]:
    """The recording's team size, and its states with that many cars on both sides."""
    states = recording.states
    playing = states.car_mask & ~states.car_is_demoed
    sides = [playing & (states.car_team == side) for side in (BLUE, ORANGE)]
    both = np.minimum(*(side.sum(axis=1) for side in sides))
    size = min(int(both.max()), _MAX_TEAM_SIZE)
    rows = np.flatnonzero(both >= max(size, 1))
    # Stable, so those who play come first, in the order of their slots
    cars = np.concatenate(
        [np.argsort(~side[rows], axis=1, kind="stable")[:, :size] for side in sides], axis=1
    )

    def of_cars(values: np.ndarray) -> np.ndarray:
        return values[rows[:, None], cars]

    axes = [states.car_forward, states.car_right, states.car_up]
    table = _Table(
        ball_position=states.ball_position[rows],
        ball_linear_velocity=states.ball_linear_velocity[rows],
        ball_angular_velocity=states.ball_angular_velocity[rows],
        car_position=of_cars(states.car_position),
        car_linear_velocity=of_cars(states.car_linear_velocity),
        car_angular_velocity=of_cars(states.car_angular_velocity),
        car_rotation=np.stack([of_cars(axis) for axis in axes], axis=-2),
        car_boost=of_cars(states.car_boost),
        car_on_ground=of_cars(states.car_on_ground),
        boost_pad_cooldown=_cooldowns(states, recording.metadata.tick_skip)[rows],
    )
    return size, _take(table, np.flatnonzero(_legal(table)))


def _legal(table: _Table) -> np.ndarray:
    """Which states the game could be in: [S] bool. RocketSim is safe with no others."""
    limits = (
        (table.ball_position, (SIDE_WALL_X, BACK_WALL_Y, CEILING_Z)),
        (table.car_position, (SIDE_WALL_X, BACK_NET_Y, CEILING_Z)),
    )
    legal = np.ones(len(table.car_boost), np.bool_)
    for position, limit in limits:
        inside = (np.abs(position) <= limit).all(axis=-1) & (position[..., 2] > 0)
        legal &= _everyone(inside)
    for velocity, limit in (
        (table.ball_linear_velocity, BALL_MAX_SPEED),
        (table.ball_angular_velocity, 2 * CAR_MAX_ANGULAR_SPEED),
        (table.car_linear_velocity, CAR_MAX_SPEED),
        (table.car_angular_velocity, CAR_MAX_ANGULAR_SPEED),
    ):
        legal &= _everyone((velocity.astype(np.float64) ** 2).sum(-1) <= (limit * _TOLERANCE) ** 2)
    rotation = table.car_rotation.astype(np.float64)
    turned_back = rotation @ np.swapaxes(rotation, -1, -2)
    legal &= _everyone((np.abs(turned_back - np.eye(3)) < 0.01).all(axis=(-1, -2)))
    return legal & _everyone((table.car_boost >= 0) & (table.car_boost <= 1))


def _everyone(values: np.ndarray) -> np.ndarray:
    return values.all(axis=tuple(range(1, values.ndim)))


def _cooldowns(states: GameStates, tick_skip: int) -> np.ndarray:
    """Seconds until each pad is back, by how long it has been away: [T,34] float32."""
    steps = np.arange(len(states.episode_start), dtype=np.int32)[:, None]
    known = np.where(states.boost_pad_active, steps, -1)
    known = np.where(states.episode_start[:, None], np.maximum(known, steps - 1), known)
    away = steps - np.maximum.accumulate(known, axis=0)
    big = BOOST_PAD_POSITIONS[:, 2] > _BIG_PAD_HEIGHT
    recharge = np.where(big, _BIG_PAD_SECONDS, _SMALL_PAD_SECONDS)
    step_seconds = tick_skip / TICKS_PER_SECOND
    left = np.maximum(recharge - (away - 0.5) * step_seconds, step_seconds)
    return np.where(states.boost_pad_active, 0.0, left).astype(np.float32)
