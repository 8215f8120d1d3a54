"""What bots with a network share: observations in, logits in tiles, actions out."""

import copy
import math
from collections.abc import Callable
from typing import Self

import numpy as np

from ...sim.actions import ActionTable
from ...sim.observations import Observation
from ...sim.state import GameStates

TILE = 32
"""Observations that a network sees at once. A matrix library sums in another order for another
number of rows, which turns a game's course: with tiles of one size, the last one filled up,
a game is the same whatever is played beside it."""

Network = Callable[[np.ndarray], np.ndarray]
"""Observations [TILE,...] float32 -> logits [TILE,K] of every head's choices, head after head."""


class NetworkBot:
    """Plays a network's logits; sharper ones are closer to taking the likeliest."""

    def __init__(
        self,
        name: str,
        network: Network,
        observation: type[Observation],
        table: ActionTable,
        sharpness: float = 1.0,
    ) -> None:
        """Play this network.

        Args:
            name: of the bot.
            network: see `Network`.
            observation: what it sees.
            table: what its choices mean.
            sharpness: factor on the logits before an action is sampled; infinity takes the
                likeliest, 0 any.
        """
        self.name = name
        self._network, self._kind = network, observation
        self._table, self._sharpness = table, sharpness

    def start(
        self, states: GameStates, cars: np.ndarray, random: list[np.random.Generator]
    ) -> None:
        """Begin a batch of games; see `Bot`."""
        self._cars, self._random = cars, random
        self._games = slice(0, len(cars))
        self._observation = self._kind(states, max_players=cars.shape[1])
        agents = int(states.car_mask.sum())
        self._observations = np.zeros((agents, *self._observation.shape), np.float32)

    def part(self) -> Self:
        """See `PartingBot`; the network is shared."""
        return copy.copy(self)

    def act(self, states: GameStates, controls: np.ndarray) -> None:
        """See `Bot`."""
        self._observation.update(states, self._games)
        self._observation.build(states, self._games, self._observations)
        own = self._cars[states.car_mask]  # [agents], fewer when games are over
        logits = in_tiles(self._network, self._observations[own])
        chosen = choose(logits, self._table.nvec, self._sharpness, self._cars, self._random)
        controls[self._cars] = self._table.parse(chosen)


def in_tiles(network: Network, observations: np.ndarray) -> np.ndarray:
    """Logits of any number of observations, from a network that always sees `TILE` of them.

    Args:
        network: see `Network`.
        observations: [n,...] float32.

    Returns:
        [n,K] float32; a row depends on its own observation alone.
    """
    n = len(observations)
    parts = []
    for first in range(0, max(n, 1), TILE):
        tile = observations[first : first + TILE]
        if len(tile) < TILE:
            empty = np.zeros((TILE - len(tile), *tile.shape[1:]), tile.dtype)
            tile = np.concatenate([tile, empty])
        parts.append(network(tile))
    return np.concatenate(parts)[:n]


def choose(
    logits: np.ndarray,
    nvec: np.ndarray,
    sharpness: float,
    cars: np.ndarray,
    random: list[np.random.Generator],
) -> np.ndarray:
    """Sample every head's choice from softmax(sharpness · logits).

    Args:
        logits: [n,sum(nvec)] of n cars, game after game.
        nvec: [heads] choices of each head.
        sharpness: infinity takes the likeliest choice and draws nothing.
        cars: [A,C] bool, whose cars they are.
        random: one generator a game.

    Returns:
        [n,heads] int64.
    """
    if math.isfinite(sharpness):
        draws = zip(random, cars.sum(axis=1).tolist(), strict=True)
        noise = [game.gumbel(size=(n, logits.shape[1])) for game, n in draws if n]
        # Under this noise the largest is a sample of the softmax
        logits = sharpness * logits + np.concatenate(noise or [np.zeros_like(logits)])
    heads = np.split(logits, np.cumsum(nvec)[:-1], axis=1)
    return np.stack([head.argmax(axis=1) for head in heads], axis=1)
