"""`PastSelves`: which past selves are kept, who plays where now, and how they act."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...sim.actions import ActionTable
from ..checkpoint import CheckpointError, load_policy_tensors
from ..config import LeagueConfig, NetworkConfig
from ..fused import Logits, logits_of
from ..opponents.policy_bot import untrained_policy
from .cast import Seat
from .results import Results, pfsp

Load = Callable[[str], Mapping[str, Tensor]]
"""The policy tensors of a checkpoint of the run, by its folder's name; raises CheckpointError."""

_log = logging.getLogger(__name__)


class PastSelves:
    """Past checkpoints of a run as opponents.

    For every mode a hand of a few is dealt, drawn by how hard each is to beat; an arena draws
    from its mode's hand whenever an episode begins, so every episode has one opponent.
    """

    def __init__(
        self,
        seats: Mapping[int, Seat],
        config: LeagueConfig,
        results: Results,
        random: np.random.Generator,
        network: NetworkConfig,
        action_table: ActionTable,
        device: torch.device,
        load: Load,
    ) -> None:
        """Play in these arenas, as nobody yet: see `add` and `restore`.

        Args:
            seats: the arenas, by number.
            config: how many are kept and at play.
            results: how hard each is to beat; not written to but for those that are let go.
            random: what everything is drawn from.
            network: of every past self.
            action_table: what their choices mean.
            device: where their networks are.
            load: of what is not in memory.
        """
        self.members: list[str] = []  # oldest first
        self.playing: dict[int, str] = {}  # by seat
        self._hands: dict[str, list[str]] = {}  # by mode
        self._seats, self._config, self._results = seats, config, results
        self._modes = sorted({seat.mode for seat in seats.values()})
        self._random, self._network, self._table = random, network, action_table
        self._device = device
        self._heads = np.cumsum(action_table.nvec)[:-1]  # where one ends and the next begins
        self._networks: dict[str, Logits] = {}
        self._rows: list[tuple[Logits, np.ndarray]] | None = None
        self._load = load

    def add(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Take in the self of this checkpoint, let one go if there are too many, deal anew.

        Args:
            name: of the checkpoint's folder.
            weights: of its policy.
        """
        self.members = [member for member in self.members if member != name] + [name]
        self._networks[name] = self._build(weights, name)
        while len(self.members) > self._config.keep:
            gone = self.members.pop(most_crowded([_steps(member) for member in self.members]))
            self._results.forget([gone])
        self._deal()

    def adopt(self, names: Sequence[str]) -> None:
        """Begin with these checkpoints, the oldest first, as if all had been added.

        Raises:
            CheckpointError: none of them can be used.
        """
        self.members = list(names)[-self._config.keep :]
        self._deal()

    def begin(self) -> None:
        """Draw an opponent for every arena."""
        self.playing = {index: self._draw(seat.mode) for index, seat in self._seats.items()}
        self._rows = None

    def change(self, seat: int) -> None:
        """Draw an opponent for the next episode of this arena."""
        drawn = self._draw(self._seats[seat].mode)
        if drawn != self.playing[seat]:
            self.playing[seat] = drawn
            self._rows = None

    @property
    def needed(self) -> set[str]:
        """The checkpoints that have to stay."""
        return {*self.members, *self.playing.values()}

    def act(self, observations: np.ndarray, actions: np.ndarray) -> None:
        """Choose for all arenas, those of one opponent at once.

        Args:
            observations: [N,rows,64] of all agents.
            actions: [N,heads]; those of the opponents' agents are written.
        """
        for network, rows in self._agents():
            logits = network(observations[rows])
            # Under this noise the largest is a sample of the softmax
            noisy = np.split(logits + self._random.gumbel(size=logits.shape), self._heads, axis=1)
            actions[rows] = np.stack([head.argmax(axis=1) for head in noisy], axis=1)

    def state(self) -> dict[str, Any]:
        """JSON values for `restore`."""
        playing = list(self.playing.values())
        return {"members": self.members, "hands": self._hands, "playing": playing}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.members = list(state["members"])
        self._hands = {mode: list(hand) for mode, hand in state["hands"].items()}
        fits = len(state["playing"]) == len(self._seats) and self._modes == sorted(self._hands)
        if fits:
            self.playing = dict(zip(self._seats, state["playing"], strict=True))
        if not fits or not all(self._has(name) for name in sorted(self._met)):
            self.playing = {}
            self._deal()
            self.begin()

    @property
    def _met(self) -> set[str]:
        """Who plays now or may in the next episodes."""
        return {name for hand in self._hands.values() for name in hand} | {*self.playing.values()}

    def _deal(self) -> None:
        """Draw every mode's hand; members that cannot be loaded are let go."""
        for mode in self._modes:
            self._hands[mode] = self._hand(mode)
            while not all(self._has(name) for name in self._hands[mode]):
                self._hands[mode] = self._hand(mode)
        self._networks = {name: self._networks[name] for name in sorted(self._met)}

    def _hand(self, mode: str) -> list[str]:
        odds = pfsp([self._results.share(mode, [member]) for member in self.members])
        return self._random.choice(self.members, self._config.at_once, p=odds).tolist()

    def _draw(self, mode: str) -> str:
        hand = self._hands[mode]
        return hand[self._random.integers(len(hand))]

    def _has(self, name: str) -> bool:
        """Whether a member's network is there, or could be loaded now."""
        if name in self._networks:
            return True
        try:
            self._networks[name] = self._build(self._load(name), name)
        except CheckpointError as error:
            others = [member for member in self.members if member != name]
            if not others:
                raise
            _log.warning("The league goes on without a past self. %s", error)
            self.members = others
            self._results.forget([name])
            return False
        return True

    def _build(self, weights: Mapping[str, Tensor], name: str) -> Logits:
        with torch.random.fork_rng(devices=[]):  # the weights that it begins with are replaced
            policy = untrained_policy(self._network, self._table.name)
        load_policy_tensors(policy, weights, source=name)
        return logits_of(policy.to(self._device))

    def _agents(self) -> list[tuple[Logits, np.ndarray]]:
        """The agents of each opponent that plays now."""
        if self._rows is None:
            rows: dict[str, list[int]] = {}
            for index, name in self.playing.items():
                others = self._seats[index].others
                rows.setdefault(name, []).extend(range(others.start, others.stop))
            self._rows = [(self._networks[name], np.array(rows[name])) for name in sorted(rows)]
        return self._rows


def most_crowded(steps: Sequence[int]) -> int:
    """Which of these rising numbers has its neighbours closest; the ends only where need be."""
    inner = range(1, len(steps) - 1)
    return min(inner, key=lambda i: steps[i + 1] - steps[i - 1], default=0)


def _steps(name: str) -> int:
    return int(name.split("-")[1])
