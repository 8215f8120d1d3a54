"""`Pilot`: plays a bot by RLBot's packets, in the steps that it was trained in."""

from collections.abc import Mapping, Sequence

import numpy as np
from rlbot import flat

from ...sim.constants import TICK_SKIP
from ..opponents import Bot
from .packet import PacketReader

_PLAYING = (flat.MatchPhase.Kickoff, flat.MatchPhase.Active)


class Pilot:
    """Decides every eighth tick for a bot's cars and holds what was decided in between.

    Every kickoff is an episode's start: the bot forgets what was before. Between a goal and
    the next kickoff the cars get no input.
    """

    def __init__(self, bot: Bot, field: flat.FieldInfo, cars: Sequence[int]) -> None:
        """Play a match.

        Args:
            bot: what decides.
            field: that the match is played on.
            cars: which players of a packet the bot drives.
        """
        self.reader = PacketReader(field)
        self._bot = bot
        self._cars = cars
        self._clock = StepClock()
        self._fresh = True
        self._rest = {index: np.zeros(8, np.float32) for index in cars}
        self._held = self._rest

    def act(self, packet: flat.GamePacket) -> Mapping[int, np.ndarray]:
        """What the cars do now.

        Args:
            packet: the newest; it may come late, and others may have been missed.

        Returns:
            [8] float32 controls of each car, by its index in the packet.
        """
        phase = packet.match_info.match_phase
        if phase == flat.MatchPhase.Paused:
            return self._held
        if phase not in _PLAYING or not packet.balls:
            self._clock.stop()
            self._fresh, self._held = True, self._rest
            return self._held
        self.reader.follow(packet)
        if self._clock.is_due(packet.match_info.frame_num):
            self._decide(packet)
        return self._held

    def _decide(self, packet: flat.GamePacket) -> None:
        last = self.reader.states
        states = self.reader.read(packet)
        if states is not last:
            self._take_seats()
        slots = [self.reader.order.index(car) for car in self._cars]
        # What the packet says of our own input may be a tick old
        states.previous_action[0, slots] = [self._held[car] for car in self._cars]
        states.episode_start[:] = self._fresh
        if self._fresh:
            states.previous_action[:] = 0
            states.car_ball_touched[:] = False
        self._bot.act(states, self._controls)
        chosen = self._controls[0, slots].copy()
        self._held = dict(zip(self._cars, chosen, strict=True))
        self._fresh = False

    def _take_seats(self) -> None:
        """Start the bot anew with the cars that there are now."""
        own = np.isin(self.reader.order, self._cars)[None]
        self._bot.start(self.reader.states, own, [np.random.default_rng()])
        self._controls = np.zeros((*own.shape, 8), np.float32)
        self._fresh = True


class StepClock:
    """Says when a step of eight ticks is over, though packets come late or not at all.

    A late decision does not delay the next one, unless a whole step was missed.
    """

    def __init__(self) -> None:
        self._next: int | None = None

    def stop(self) -> None:
        """Let the next packet begin a step."""
        self._next = None

    def is_due(self, tick: int) -> bool:
        """Whether a step begins; for every packet.

        Args:
            tick: the packet's; one far in the past means another match.
        """
        if self._next is not None and self._next - TICK_SKIP <= tick < self._next:
            return False
        on_time = self._next is not None and 0 <= tick - self._next < TICK_SKIP
        self._next = (self._next if on_time and self._next is not None else tick) + TICK_SKIP
        return True
