"""Rocket League as RLBot shows it, played by RocketSim: packets, and the server of a match."""

import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import RocketSim
from rlbot import flat

from lucy.sim.constants import BOOST_PAD_POSITIONS, DOUBLE_JUMP_MAX_DELAY
from lucy.sim.engine import ArenaPool

from ..waiting import HANG

BIG = BOOST_PAD_POSITIONS[:, 2] > 72
# RLBot's order of pads, by y and then x
PAD_ORDER = np.lexsort((BOOST_PAD_POSITIONS[:, 0], BOOST_PAD_POSITIONS[:, 1])).tolist()
DOUBLE_JUMP_TICKS = 13


def field_info(order: Sequence[int] = PAD_ORDER) -> flat.FieldInfo:
    """The standard field."""
    pads = [
        flat.BoostPad(flat.Vector3(*BOOST_PAD_POSITIONS[pad].tolist()), bool(BIG[pad]))
        for pad in order
    ]
    return flat.FieldInfo(boost_pads=pads)


class Game:
    """One arena, stepped tick by tick, and the packets that RLBot would make of it."""

    def __init__(self, mode: str, players: Sequence[int] | None = None) -> None:
        """Play in this mode.

        Args:
            mode: "1v1", "2v2" or "3v3".
            players: the arena's slot of each player of a packet; default in slots' order.
        """
        self.pool = ArenaPool([mode], tick_skip=1, threads=1)
        self.players = list(players or range(len(self.pool.states.car_team)))
        self.tick = 1000
        self.phase = flat.MatchPhase.Kickoff
        self._controls = np.zeros((1, len(self.players), 8), np.float32)
        self._touches: list[flat.Touch | None] = [None] * len(self.players)
        self._double_jumps = [0] * len(self.players)  # tick of the latest

    def step(self, controls: np.ndarray) -> None:
        """One tick with these controls [1,C,8]."""
        self._controls = controls.copy()
        before = [car.get_state().has_double_jumped for car in self.cars]
        self.pool.step(controls)
        self.tick += 1
        for slot, car in enumerate(self.cars):
            if self.pool.states.car_ball_touched[0, slot]:
                self._touches[slot] = flat.Touch(self.tick / 120)
            if car.get_state().has_double_jumped and not before[slot]:
                self._double_jumps[slot] = self.tick

    @property
    def cars(self) -> list[RocketSim.Car]:
        """By slot."""
        return self.pool._cars[0]

    def packet(self) -> flat.GamePacket:
        """What RLBot says of this tick."""
        states = self.pool.states
        pads = [self.pool._pads[0][pad].get_state() for pad in PAD_ORDER]
        full = np.where(BIG, 10.0, 4.0)[PAD_ORDER].tolist()
        ball = self.pool._arenas[0].ball.get_state()
        return flat.GamePacket(
            players=[self._player(slot) for slot in self.players],
            boost_pads=[
                flat.BoostPadState(pad.is_active, 0.0 if pad.is_active else time - pad.cooldown)
                for pad, time in zip(pads, full, strict=True)
            ],
            balls=[flat.BallInfo(_physics(ball, ball.rot_mat), flat.SphereShape(182.5))],
            match_info=flat.MatchInfo(
                seconds_elapsed=self.tick / 120, match_phase=self.phase, frame_num=self.tick
            ),
            teams=[flat.TeamInfo(team, int(states.score[0, team])) for team in (0, 1)],
        )

    def _player(self, slot: int) -> flat.PlayerInfo:
        states = self.pool.states
        state = self.cars[slot].get_state()
        timeout = DOUBLE_JUMP_MAX_DELAY - state.air_time_since_jump
        counting = state.has_jumped and not state.is_on_ground and timeout > 0
        return flat.PlayerInfo(
            physics=_physics(state, self._rotation(slot)),
            score_info=flat.ScoreInfo(
                goals=int(states.car_goals[0, slot]),
                saves=int(states.car_saves[0, slot]),
                shots=int(states.car_shots[0, slot]),
                demolitions=int(states.car_demos[0, slot]),
            ),
            latest_touch=self._touches[slot],
            air_state=self._air_state(slot, state),
            dodge_timeout=timeout if counting else -1.0,
            demolished_timeout=state.demo_respawn_timer if state.is_demoed else -1.0,
            name=f"player {slot}",
            team=int(states.car_team[slot]),
            boost=state.boost,
            player_id=100 + slot,
            last_input=controller(self._controls[0, slot]),
            has_jumped=state.has_jumped,
            has_double_jumped=state.has_double_jumped,
            has_dodged=state.has_flipped,
        )

    def _rotation(self, slot: int) -> RocketSim.RotMat:
        """As the environment sees it: of a wreck, RocketSim has two."""
        states = self.pool.states
        axes = (states.car_forward, states.car_right, states.car_up)
        return RocketSim.RotMat(*np.concatenate([axis[0, slot] for axis in axes]).tolist())

    def _air_state(self, slot: int, state: RocketSim.CarState) -> flat.AirState:
        if state.is_jumping:
            return flat.AirState.Jumping
        if state.is_on_ground:
            return flat.AirState.OnGround
        if state.is_flipping:
            return flat.AirState.Dodging
        if state.has_double_jumped and self.tick - self._double_jumps[slot] < DOUBLE_JUMP_TICKS:
            return flat.AirState.DoubleJumping
        return flat.AirState.InAir


class Server:
    """RLBot's server for one bot: the handshake, then packets for input."""

    def __init__(self, cars: Mapping[int, int], team: int) -> None:
        """Listen on a free port of this machine.

        Args:
            cars: the id of each car that the bot drives, by its index in the packets.
            team: of these cars.
        """
        self._cars, self._team = dict(cars), team
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(HANG)
        self.port = self._listener.getsockname()[1]
        self._connection: socket.socket | None = None

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            self._connection.close()
        self._listener.close()

    def shake_hands(self, match: flat.MatchConfiguration, field: flat.FieldInfo) -> str:
        """Wait for the bot until it is ready; its agent id."""
        self._connection = self._listener.accept()[0]
        self._connection.settimeout(HANG)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = self._receive()
        assert isinstance(settings, flat.ConnectionSettings)
        self.send(match)
        self.send(field)
        controllables = [flat.ControllableInfo(*item) for item in self._cars.items()]
        self.send(flat.ControllableTeamInfo(self._team, controllables))
        assert isinstance(self._receive(), flat.InitComplete)
        return settings.agent_id

    def exchange(self, packet: flat.GamePacket) -> dict[int, np.ndarray]:
        """Send a packet and wait for the input of every car: [8] by index."""
        self.send(packet)
        inputs: dict[int, np.ndarray] = {}
        while len(inputs) < len(self._cars):
            message = self._receive()
            assert isinstance(message, flat.PlayerInput), message
            inputs[message.player_index] = to_row(message.controller_state)
        return inputs

    def send(self, message: Any) -> None:
        """A message, preceded by its length in two bytes."""
        assert self._connection is not None
        data = flat.CorePacket(message).pack()
        self._connection.sendall(len(data).to_bytes(2, "big") + data)

    def _receive(self) -> Any:
        size = int.from_bytes(self._read(2), "big")
        return flat.InterfacePacket.unpack(self._read(size)).message

    def _read(self, size: int) -> bytes:
        assert self._connection is not None
        data = b""
        while len(data) < size:
            part = self._connection.recv(size - len(data))
            assert part, "the bot hung up"
            data += part
        return data


def controller(row: np.ndarray) -> flat.ControllerState:
    """Lucy's eight controls as RLBot's."""
    return flat.ControllerState(*row[:5].tolist(), *(row[5:] > 0.5).tolist())


def to_row(state: flat.ControllerState) -> np.ndarray:
    """RLBot's controls as Lucy's eight."""
    axes = (state.throttle, state.steer, state.pitch, state.yaw, state.roll)
    return np.array((*axes, state.jump, state.boost, state.handbrake), np.float32)


def _physics(state: Any, rotation: RocketSim.RotMat) -> flat.Physics:
    angle = rotation.as_angle()
    return flat.Physics(
        flat.Vector3(*state.pos.as_tuple()),
        flat.Rotator(angle.pitch, angle.yaw, angle.roll),
        flat.Vector3(*state.vel.as_tuple()),
        flat.Vector3(*state.ang_vel.as_tuple()),
    )
