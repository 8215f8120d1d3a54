"""RLBot's game packets as `GameStates`: one game, read into one arena."""

import math
from collections.abc import Sequence

import numpy as np
from rlbot import flat

from ...sim.constants import BOOST_PAD_POSITIONS
from ...sim.state import GameStates, allocate

# After a jump's first tick the wheels still touch the ground for so many ticks, which RLBot's
# air state does not tell. Measured in RocketSim.
_TICKS_TO_LEAVE_THE_GROUND = 4
_PAD_TOLERANCE = 100.0  # uu; pads are at least 400 uu apart
_NO_PAD = -1


class PacketReader:
    """Reads packets into `states`, an arena whose slots are the players, blue first.

    Within a team, players keep the packet's order. When players come or go, `states` is
    allocated anew.
    """

    def __init__(self, field: flat.FieldInfo) -> None:
        """Read the packets of a match on this field.

        Args:
            field: says which of the packets' boost pads lies where.
        """
        self._pads = match_pads(field)
        self._players: list[tuple[int, int]] = []  # id and team
        self._jumps: dict[int, int] = {}  # by index: the tick at which a jump began
        self._seconds = 0.0  # when a packet was last read
        self.order: list[int] = []  # the player of each slot, by index in the packet
        self.states = _allocate([])

    @property
    def missing_pads(self) -> int:
        """How many of the standard field's boost pads this one does not have."""
        return self._pads.count(_NO_PAD)

    def follow(self, packet: flat.GamePacket) -> None:
        """Note what later packets do not tell: when a jump began. For every packet."""
        frame = packet.match_info.frame_num
        for index, player in enumerate(packet.players):
            if player.air_state == flat.AirState.Jumping:
                self._jumps.setdefault(index, frame)
            else:
                self._jumps.pop(index, None)

    def read(self, packet: flat.GamePacket) -> GameStates:
        """Take over all that a packet knows; `follow` it first.

        `episode_start` is not set: a packet does not say when play began anew.

        Returns:
            `states`.
        """
        players = packet.players
        roster = [(player.player_id, player.team) for player in players]
        if roster != self._players:
            self._players = roster
            self.order = sorted(range(len(players)), key=lambda index: players[index].team)
            self.states = _allocate([players[index].team for index in self.order])
        states = self.states
        ball = packet.balls[0].physics
        states.ball_position[0] = _vector(ball.location)
        states.ball_linear_velocity[0] = _vector(ball.velocity)
        states.ball_angular_velocity[0] = _vector(ball.angular_velocity)
        for slot, index in enumerate(self.order):
            self._read_player(players[index], index, slot, packet.match_info.frame_num)
        pads = [pad.is_active for pad in packet.boost_pads]
        states.boost_pad_active[0] = [pad != _NO_PAD and pads[pad] for pad in self._pads]
        for team in packet.teams:
            states.score[0, team.team_index] = team.score
        self._seconds = packet.match_info.seconds_elapsed
        return states

    def _read_player(self, player: flat.PlayerInfo, index: int, slot: int, frame: int) -> None:
        states, physics, score = self.states, player.physics, player.score_info
        states.car_position[0, slot] = _vector(physics.location)
        states.car_linear_velocity[0, slot] = _vector(physics.velocity)
        states.car_angular_velocity[0, slot] = _vector(physics.angular_velocity)
        forward, right, up = axes(physics.rotation)
        states.car_forward[0, slot] = forward
        states.car_right[0, slot] = right
        states.car_up[0, slot] = up
        states.car_boost[0, slot] = np.float32(player.boost) / np.float32(100)
        on_ground = self._is_on_ground(player, index, frame)
        states.car_on_ground[0, slot] = on_ground
        states.car_has_flip[0, slot] = on_ground or has_flip(player)
        states.car_is_demoed[0, slot] = player.demolished_timeout >= 0
        touch = player.latest_touch
        states.car_ball_touched[0, slot] = touch is not None and touch.game_seconds > self._seconds
        states.car_goals[0, slot] = score.goals
        states.car_saves[0, slot] = score.saves
        states.car_shots[0, slot] = score.shots
        states.car_demos[0, slot] = score.demolitions
        held = player.last_input
        states.previous_action[0, slot] = (
            *(held.throttle, held.steer, held.pitch, held.yaw, held.roll),
            *(held.jump, held.boost, held.handbrake),
        )

    def _is_on_ground(self, player: flat.PlayerInfo, index: int, frame: int) -> bool:
        if player.air_state == flat.AirState.OnGround:
            return True
        began = self._jumps.get(index)
        return began is not None and frame - began <= _TICKS_TO_LEAVE_THE_GROUND


def has_flip(player: flat.PlayerInfo) -> bool:
    """Whether a car in the air can still dodge or jump a second time.

    It can for 1.25 s after a jump's push ended, which `dodge_timeout` counts down; and for
    as long as it falls if it did not jump, of which `dodge_timeout` says nothing.
    """
    if player.has_dodged or player.has_double_jumped:
        return False
    if player.air_state == flat.AirState.Jumping or not player.has_jumped:
        return True
    return player.dodge_timeout > 0


def axes(rotation: flat.Rotator) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """The unit vectors forward, right and up of pitch, yaw and roll, in rad.

    Source: Unreal Engine's rotators, as RLBot gives them.
    """
    sp, cp = math.sin(rotation.pitch), math.cos(rotation.pitch)
    sy, cy = math.sin(rotation.yaw), math.cos(rotation.yaw)
    sr, cr = math.sin(rotation.roll), math.cos(rotation.roll)
    return (
        (cp * cy, cp * sy, sp),
        (cy * sp * sr - cr * sy, sy * sp * sr + cr * cy, -cp * sr),
        (-cr * cy * sp - sr * sy, -cr * sy * sp + sr * cy, cp * cr),
    )


def match_pads(field: flat.FieldInfo) -> list[int]:
    """Which of RLBot's boost pads lies where each of ours does.

    RLBot sorts pads by y, then x. RLGym's order, which is ours, is that but for three pairs
    of pads whose y differ by a few uu. So they are matched by place.

    Returns:
        [34], in the order of `BOOST_PAD_POSITIONS`; -1 where the field has no pad.
    """
    if not field.boost_pads:
        return [_NO_PAD] * len(BOOST_PAD_POSITIONS)
    places = np.array([(pad.location.x, pad.location.y) for pad in field.boost_pads])
    distances = np.linalg.norm(BOOST_PAD_POSITIONS[:, None, :2] - places, axis=-1)
    nearest = np.where(distances.min(axis=1) < _PAD_TOLERANCE, distances.argmin(axis=1), _NO_PAD)
    return nearest.tolist()


def _allocate(teams: Sequence[int]) -> GameStates:
    return allocate(np.ones((1, len(teams)), np.bool_), np.array(teams, np.int32))


def _vector(vector: flat.Vector3) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z
