"""`ArenaPool`: many RocketSim arenas stepped together.

Only this file and `physics` import RocketSim.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

import numba
import numpy as np
import rlgym.rocket_league.sim
import RocketSim

from . import memory, physics
from .constants import DOUBLE_JUMP_MAX_DELAY, N_BOOST_PADS, TICK_SKIP
from .memory import Memory, Saved
from .processors import usable_processors
from .resets import InitialState
from .state import GameStates, allocate, select, team_slots

T = TypeVar("T")

# Where cars are put to find their order out: over the first pad, then apart in the air
_PROBE_PAD = RocketSim.Vec(0.0, -4240.0, 140.0)
_PROBE_PARKING = [RocketSim.Vec(1000.0 * i - 2500.0, 1000.0 * i - 3000.0, 1000.0) for i in range(6)]
_PROBE_BALL = RocketSim.Vec(3500.0, 3000.0, 1000.0)

TEAM_SIZES = {"1v1": 1, "2v2": 2, "3v3": 3}

# RocketSim's gym state: four values of the arena, then pads, ball and cars as rows of two
# columns, of which the second is turned for orange.
_PADS_AT = 2
_BALL_AT = _PADS_AT + N_BOOST_PADS
_CARS_AT = _BALL_AT + 25
_CAR_WIDTH = 36
_ON_GROUND = 8  # of a car's columns
_GIVEN = ("car_team", "car_mask")  # fields of the states that never change
_COUNTERS = ("car_goals", "car_saves", "car_shots", "car_demos")  # in RocketSim's order

# Arenas that a thread steps before it reads them: reading holds the GIL, so the other threads
# should find it free soon, and a state that was just written is still in the cache.
_BLOCK = 4
_MAX_REMEMBERED_CONTROLS = 100_000


class Chunk(NamedTuple):
    """Neighbouring arenas that one thread works on: their range and views of their states."""

    start: int
    stop: int
    states: GameStates


class _ControlsCache(dict[bytes, RocketSim.CarControls]):
    """Prebuilt controls by the 32 bytes of an action: building one costs 40 times a look-up."""

    def __missing__(self, key: bytes) -> RocketSim.CarControls:
        if len(self) >= _MAX_REMEMBERED_CONTROLS:  # continuous actions never repeat
            self.clear()
        values = np.frombuffer(key, np.float32).tolist()
        controls = RocketSim.CarControls()
        controls.throttle, controls.steer, controls.pitch = values[:3]
        controls.yaw, controls.roll = values[3:5]
        controls.jump, controls.boost, controls.handbrake = (value > 0.5 for value in values[5:])
        self[key] = controls
        return controls


class ArenaPool:
    """A arenas of 1v1, 2v2 or 3v3, or a mix of them, whose states are read into `states`.

    In a mix every arena has the slots of the largest; `states.car_mask` says which hold a
    car. Stepping is split over threads (RocketSim releases the GIL), and every arena is
    independent of the others, so results are the same at any number of threads.
    """

    def __init__(
        self, modes: Sequence[str], tick_skip: int = TICK_SKIP, threads: int | None = None
    ) -> None:
        """Build the arenas; each needs an initial state through `set_state` before a step.

        Args:
            modes: the mode of each arena: "1v1", "2v2" or "3v3".
            tick_skip: physics ticks (1/120 s) a step.
            threads: how many step the arenas; default one a processor.

        Raises:
            ValueError: no arena, or an unknown mode.
        """
        unknown = sorted(set(modes) - set(TEAM_SIZES))
        if unknown or not modes:
            raise ValueError(f"expected modes out of {list(TEAM_SIZES)}, got {unknown or 'none'}")
        sizes = np.array([TEAM_SIZES[mode] for mode in modes])
        largest = int(sizes.max())
        mask = np.tile(np.arange(largest) < sizes[:, None], 2)
        self.states = allocate(mask, team_slots(largest))
        self.tick_skip = tick_skip
        self.threads = max(1, min(threads or usable_processors(), len(modes)))
        self._executor = ThreadPoolExecutor(self.threads) if self.threads > 1 else None
        self.chunks = [
            Chunk(start, stop, select(self.states, slice(start, stop)))
            for start, stop in split(len(modes), self.threads)
        ]
        _initialise()
        self._arenas = [RocketSim.Arena(RocketSim.GameMode.SOCCAR) for _ in modes]  # pyright: ignore[reportCallIssue]
        self._pads = [arena.get_boost_pads() for arena in self._arenas]
        self._slots = [np.flatnonzero(row).tolist() for row in mask]
        self._teams = [self.states.car_team[slots].tolist() for slots in self._slots]
        self._factory = _CarFactory()
        self._cars = [
            self._factory.renew(arena, teams)
            for arena, teams in zip(self._arenas, self._teams, strict=True)
        ]
        self._steps = np.zeros(len(modes), np.int64)  # since the arena's initial state
        self._idle = [False] * len(modes)
        self._counted = np.zeros((*mask.shape, 4), np.int32)  # by cars of earlier episodes
        self._scored = np.zeros((len(modes), 2), np.int32)  # before RocketSim began to count
        self._controls = _ControlsCache()
        widths = [_CARS_AT + _CAR_WIDTH * len(slots) for slots in self._slots]
        self._raw_at = np.concatenate([[0], np.cumsum(widths)])  # each arena's first row in _raw
        self._raw_bytes = bytearray(8 * int(self._raw_at[-1]))
        self._raw = np.frombuffer(self._raw_bytes, np.float32).reshape(-1, 2)
        # Filled value by value, where a bytearray is four times as fast as an array
        self._has_flip_bytes = bytearray(mask.size)
        self._has_flip = np.frombuffer(self._has_flip_bytes, np.bool_).reshape(mask.shape)

    @property
    def n_agents(self) -> int:
        """How many cars there are in all arenas."""
        return int(self.states.car_mask.sum())

    def map(self, work: Callable[[Chunk], T]) -> list[T]:
        """Run `work` on every chunk, in threads; results in the chunks' order."""
        mapper = map if self._executor is None else self._executor.map
        return list(mapper(work, self.chunks))

    def step(self, actions: np.ndarray) -> GameStates:
        """Hold the actions for `tick_skip` ticks in every arena and read the new states.

        Args:
            actions: [A,C,8] float32 controls; those of empty slots are ignored.

        Returns:
            The pool's `states`, overwritten.
        """
        self.map(lambda chunk: self.step_chunk(chunk, actions))
        return self.states

    def step_chunk(self, chunk: Chunk, actions: np.ndarray) -> None:
        """`step` for one chunk, in the calling thread."""
        states = chunk.states
        np.copyto(states.previous_action, actions[chunk.start : chunk.stop])
        self._set_controls(chunk)
        self._steps[chunk.start : chunk.stop] += 1
        demoed = states.car_is_demoed.any(axis=1).tolist()
        for first in range(chunk.start, chunk.stop, _BLOCK):
            block = range(first, min(first + _BLOCK, chunk.stop))
            self._step_physics(block, demoed[first - chunk.start :])
            self._read(block)
        self._unpack(slice(chunk.start, chunk.stop), states)
        states.episode_start[:] = False

    def _update(self, arena: int) -> None:
        """Read one arena's state anew."""
        self._read(range(arena, arena + 1))
        row = slice(arena, arena + 1)
        self._unpack(row, select(self.states, row))

    def _unpack(self, rows: slice, states: GameStates) -> None:
        _unpack(
            self._raw,
            self._raw_at[rows],
            self._has_flip[rows],
            self._counted[rows],
            self._scored[rows],
            states,
        )

    def _set_controls(self, chunk: Chunk) -> None:
        keys = chunk.states.previous_action.view("V32")[..., 0].tolist()
        controls = self._controls
        for index, row in enumerate(keys, chunk.start):
            if self._idle[index]:
                continue
            for car, slot in zip(self._cars[index], self._slots[index], strict=True):
                car.set_controls(controls[row[slot]])

    def _step_physics(self, arenas: range, demoed: list[bool]) -> None:
        for index, arena, has_demoed in zip(
            arenas, self._arenas[arenas.start : arenas.stop], demoed, strict=False
        ):
            if self._idle[index]:
                continue
            if has_demoed and self._somebody_returns(index):
                self._step_tick_by_tick(index)
            else:
                arena.step(self.tick_skip)

    def _somebody_returns(self, arena: int) -> bool:
        """Whether a demolished car comes back in the next step."""
        step = (self.tick_skip + 1) * self._arenas[arena].tick_time
        states = (car.get_state() for car in self._cars[arena])
        return any(state.is_demoed and state.demo_respawn_timer <= step for state in states)

    def _step_tick_by_tick(self, arena: int) -> None:
        """A step in which cars come back by a seed: RocketSim would draw their spots by the clock.

        They must never be where the clock says, not even for a tick: what they did there would
        stay in their wheels, and in the pads and cars that they met.
        """
        for _ in range(self.tick_skip):
            for slot, car in zip(self._slots[arena], self._cars[arena], strict=True):
                state = car.get_state()
                if state.is_demoed and state.demo_respawn_timer <= self._arenas[arena].tick_time:
                    seed = int(self._steps[arena]) * len(self.states.car_team) + slot
                    car.respawn(seed=seed)
            self._arenas[arena].step(1)

    def _read(self, arenas: range) -> None:
        """Copy what RocketSim knows of these arenas; `_unpack` makes states of it."""
        flips, at = self._has_flip_bytes, self._raw_at
        width = self.states.car_mask.shape[1]
        parts: list[np.ndarray] = []
        for index in arenas:
            values, pads, ball, *rows = self._arenas[index].get_gym_state()
            parts += (values, pads.T, ball.T)
            first = index * width
            for slot, car, row in zip(self._slots[index], self._cars[index], rows, strict=True):
                parts.append(row.T)
                flips[first + slot] = row.item(0, _ON_GROUND) > 0 or _has_flip(car.get_state())
        # RocketSim's arrays lie column by column; joining their bytes is faster than concatenating
        self._raw_bytes[8 * at[arenas.start] : 8 * at[arenas.stop]] = b"".join(parts)  # pyright: ignore[reportArgumentType]

    def set_state(self, arena: int, state: InitialState) -> None:
        """Place the ball, the cars and the pads of one arena: the start of an episode.

        Args:
            arena: which arena.
            state: its initial state, with one row for each of its cars.

        Raises:
            ValueError: the state has another number of cars than the arena.
        """
        n_cars = len(self._slots[arena])
        if len(state.car_position) != n_cars:
            raise ValueError(
                f"arena {arena} has {n_cars} cars, the initial state {len(state.car_position)}"
            )
        self._steps[arena] = 0
        self._idle[arena] = False
        cars = self._renew_cars(arena)
        self._arenas[arena].ball.set_state(_ball_state(state))
        for row, car in enumerate(cars):
            car.set_state(_car_state(state, row))
        for pad, cooldown in zip(self._pads[arena], state.boost_pad_cooldown.tolist(), strict=True):
            pad.set_state(_pad_state(cooldown))
        self._update(arena)
        self.states.car_ball_touched[arena] = False  # RocketSim's flag is the last step's
        self.states.previous_action[arena] = 0
        self.states.episode_start[arena] = True

    def rest(self, arena: int) -> None:
        """Leave one arena as it is until its next initial state: nothing in it moves."""
        self._idle[arena] = True

    def _renew_cars(self, arena: int) -> list[RocketSim.Car]:
        """New cars, which count from zero."""
        for field, name in enumerate(_COUNTERS):
            self._counted[arena, :, field] = getattr(self.states, name)[arena]
        self._cars[arena] = self._factory.renew(self._arenas[arena], self._teams[arena])
        return self._cars[arena]

    @property
    def _memory(self) -> Memory:
        fields = {
            name: array for name, array in self.states._asdict().items() if name not in _GIVEN
        }
        cars = {name for name in fields if name.startswith("car_")} | {"previous_action"}
        return Memory(
            {name: array for name, array in fields.items() if name not in cars}
            | {"steps": self._steps},
            {name: fields[name] for name in cars},
        )

    def save(self) -> Saved:
        """All that play goes on from: the states, and what RocketSim tells of its own.

        RocketSim keeps more than it tells, such as the grip of a wheel, so play goes on
        differently from what was saved unless it was restored here too.
        """
        balls, pads, cars = [], [], []
        for arena, own_cars, own_pads in zip(self._arenas, self._cars, self._pads, strict=True):
            index = {car.id: at for at, car in enumerate(own_cars)}
            now = arena.tick_count
            balls.append(physics.ball_row(arena.ball.get_state(), index))
            pads.append([physics.pad_row(pad.get_state(), index) for pad in own_pads])
            cars += [physics.car_row(car.get_state(), now, index) for car in own_cars]
        rows = {"arena/ball": balls, "arena/pads": pads, "car/physics": cars}
        saved = memory.save(self._memory, self.states.car_mask)
        return saved | {name: np.array(values, np.float64) for name, values in rows.items()}

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Set all arenas to what `save` gave, of this pool or of one with the same modes.

        Play is then the same in both, to the bit.
        """
        memory.restore(self._memory, self.states.car_mask, saved)
        balls, pads = saved["arena/ball"].tolist(), saved["arena/pads"].tolist()
        cars = iter(saved["car/physics"].tolist())
        for index, arena in enumerate(self._arenas):
            if arena.tick_count < physics.LONGEST_AGO:  # what happened cannot lie before its time
                arena.step(physics.LONGEST_AGO)
            new_cars = self._renew_cars(index)
            ids, now = [car.id for car in new_cars], arena.tick_count
            arena.ball.set_state(physics.ball_state(balls[index], ids))
            for car in new_cars:
                car.set_state(physics.car_state(next(cars), now, ids))
            for pad, row in zip(self._pads[index], pads[index], strict=True):
                pad.set_state(physics.pad_state(row, ids))
            arena.get_gym_state()  # so that touches are told from here on
            counted = (arena.blue_score, arena.orange_score)
            self._scored[index] = self.states.score[index] - counted

    def close(self) -> None:
        """End the threads."""
        if self._executor is not None:
            self._executor.shutdown()


def split(n: int, pieces: int) -> list[tuple[int, int]]:
    """Ranges of about equal length that make up 0..n."""
    edges = np.linspace(0, n, min(n, pieces) + 1).astype(int).tolist()
    return list(pairwise(edges))


def _initialise() -> None:
    """Load the collision meshes that come inside the rlgym package, once a process."""
    meshes = Path(rlgym.rocket_league.sim.__file__).parent / "collision_meshes"
    try:
        RocketSim.init(str(meshes))
    except RuntimeError as error:
        if "already" not in str(error).lower():
            raise


class _CarFactory:
    """Gives arenas new cars, all of them in the one order that makes play repeatable.

    A car that is only placed anew keeps the steering and grip of its wheels from before.
    And RocketSim holds cars in a hash set of their addresses: who comes first at a pad or in
    a collision would depend on where the memory happened to be. So the order is probed, and
    the cars are built again elsewhere until it is that of their ids.
    """

    _TRIES = 32

    def __init__(self) -> None:
        self._lock = Lock()
        self._spare = RocketSim.Arena(RocketSim.GameMode.SOCCAR)  # pyright: ignore[reportCallIssue]
        self._orders = True

    def renew(self, arena: RocketSim.Arena, teams: list[int]) -> list[RocketSim.Car]:
        """Replace an arena's cars by new ones of these teams, by id."""
        with self._lock:
            tries = self._TRIES
            cars = self._build(arena, teams)
            while self._orders and not _in_order(arena, cars):
                tries -= 1
                # Another C++ library may never iterate in this order: do without, then
                self._orders = tries > 0
                _remove_cars(arena)
                self._spare.add_car(0, RocketSim.CarConfig.OCTANE)  # takes the memory that failed
                cars = self._build(arena, teams)
            _remove_cars(self._spare)
        return cars

    def _build(self, arena: RocketSim.Arena, teams: list[int]) -> list[RocketSim.Car]:
        _remove_cars(arena)
        return [arena.add_car(team, RocketSim.CarConfig.OCTANE) for team in teams]


def _remove_cars(arena: RocketSim.Arena) -> None:
    for car in sorted(arena.get_cars(), key=lambda car: -car.id):
        arena.remove_car(car)


def _in_order(arena: RocketSim.Arena, cars: list[RocketSim.Car]) -> bool:
    """Whether RocketSim updates the cars by id: of all on one pad, does the first get the boost?"""
    pad = arena.get_boost_pads()[0]
    state, idle = RocketSim.CarState(), RocketSim.CarControls()
    state.boost = 0.0
    idle.handbrake = True  # neither engine nor brake
    ball = RocketSim.BallState()
    ball.pos = _PROBE_BALL
    arena.ball.set_state(ball)
    arena.set_car_car_collision(False)
    for car in cars:
        car.set_controls(idle)
    ordered = True
    for index, first in enumerate(cars[:-1]):
        state.pos = _PROBE_PAD
        for car in cars[index:]:
            car.set_state(state)
        pad.set_state(_pad_state(0.0))
        arena.step(1)
        if first.get_state().boost == 0:
            ordered = False
            break
        state.pos = _PROBE_PARKING[index]
        first.set_state(state)
    state.pos = _PROBE_PARKING[len(cars) - 1]
    cars[-1].set_state(state)
    arena.step(1)
    arena.set_car_car_collision(True)
    return ordered


def _has_flip(car: RocketSim.CarState) -> bool:
    """Source: RLGym v2 `Car.has_flip`; the gym state lacks it."""
    return (
        not (car.has_flipped or car.has_double_jumped)
        and car.air_time_since_jump < DOUBLE_JUMP_MAX_DELAY
    )


def _vector(values: np.ndarray) -> RocketSim.Vec:
    return RocketSim.Vec(*values.tolist())


def _ball_state(state: InitialState) -> RocketSim.BallState:
    ball = RocketSim.BallState()
    ball.pos = _vector(state.ball_position)
    ball.vel = _vector(state.ball_linear_velocity)
    ball.ang_vel = _vector(state.ball_angular_velocity)
    return ball


def _car_state(state: InitialState, row: int) -> RocketSim.CarState:
    car = RocketSim.CarState()
    car.pos = _vector(state.car_position[row])
    car.vel = _vector(state.car_linear_velocity[row])
    car.ang_vel = _vector(state.car_angular_velocity[row])
    car.rot_mat = RocketSim.RotMat(*state.car_rotation[row].ravel().tolist())
    car.boost = 100 * float(state.car_boost[row])
    on_ground = bool(state.car_on_ground[row])
    car.is_on_ground = on_ground
    car.wheels_with_contact = (on_ground,) * 4  # pyright: ignore[reportAttributeAccessIssue]
    return car


def _pad_state(cooldown: float) -> RocketSim.BoostPadState:
    pad = RocketSim.BoostPadState()
    pad.cooldown = cooldown
    pad.is_active = cooldown == 0
    return pad


@numba.njit(cache=True, nogil=True)
def _unpack(raw, raw_at, has_flip, counted, scored, states):
    """Spread RocketSim's rows over the fields of the states."""
    for a in range(len(raw_at)):
        row = raw[raw_at[a] :, 0]
        states.score[a, 0] = scored[a, 0] + np.int32(raw[raw_at[a] + 1, 0])
        states.score[a, 1] = scored[a, 1] + np.int32(raw[raw_at[a] + 1, 1])
        for pad in range(N_BOOST_PADS):
            states.boost_pad_active[a, pad] = row[_PADS_AT + pad] > 0.5
        for axis in range(3):
            states.ball_position[a, axis] = row[_BALL_AT + axis]
            states.ball_linear_velocity[a, axis] = row[_BALL_AT + 7 + axis]
            states.ball_angular_velocity[a, axis] = row[_BALL_AT + 10 + axis]
        at = _CARS_AT
        for c in range(states.car_mask.shape[1]):
            if not states.car_mask[a, c]:
                continue
            states.car_goals[a, c] = counted[a, c, 0] + np.int32(row[at + 2])
            states.car_saves[a, c] = counted[a, c, 1] + np.int32(row[at + 3])
            states.car_shots[a, c] = counted[a, c, 2] + np.int32(row[at + 4])
            states.car_demos[a, c] = counted[a, c, 3] + np.int32(row[at + 5])
            states.car_is_demoed[a, c] = row[at + 7] > 0.5
            states.car_on_ground[a, c] = row[at + _ON_GROUND] > 0.5
            states.car_ball_touched[a, c] = row[at + 9] > 0.5
            states.car_boost[a, c] = row[at + 10] / np.float32(100)
            states.car_has_flip[a, c] = has_flip[a, c]
            for axis in range(3):
                states.car_position[a, c, axis] = row[at + 11 + axis]
                states.car_linear_velocity[a, c, axis] = row[at + 18 + axis]
                states.car_angular_velocity[a, c, axis] = row[at + 21 + axis]
                states.car_forward[a, c, axis] = row[at + 24 + axis]
                states.car_right[a, c, axis] = row[at + 27 + axis]
                states.car_up[a, c, axis] = row[at + 30 + axis]
            at += _CAR_WIDTH
