"""Ratings of bots by the Plackett–Luce model, on a scale that fixed bots hold in place."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from openskill.models import PlackettLuce

from .standings import Pairing
from .store import FIXED

_START = 12.5  # where a bot is thought to stand before its first game: half-way
_ORDERS = 10
_SURE = 1e-3  # sigma of a fixed bot, which openskill wants above 0


class BotRating(NamedTuple):
    """Where a bot stands, as the mean and deviation of a normal distribution."""

    mu: float
    sigma: float  # 0 for a fixed bot
    fixed: bool


def rate(names: Sequence[str], pairings: Sequence[Pairing], mode: str) -> list[BotRating]:
    """Rate bots by the games of one mode; a side of several cars is one player.

    openskill rates game by game, and what came last counts for more. So the games are rated in
    ten shuffled orders and the ratings averaged: mu is the mean over the orders, sigma the root
    mean square. The shuffling begins from an order that depends on names and results alone, so
    the order in which games were played makes no difference.

    Args:
        names: of the bots.
        pairings: their games.
        mode: whose `FIXED` bots hold the scale.

    Returns:
        A rating a bot.

    Source:
        R. C. Weng, C.-J. Lin: A Bayesian approximation method for online ranking, 2011.
    """
    fixed = FIXED[mode]
    model = PlackettLuce(mu=_START, tau=0.0)  # tau: bots do not change between their games
    games = sorted(_games(names, pairings))
    random = np.random.default_rng(0)
    rounds = []
    for _ in range(_ORDERS):
        ratings = {
            name: model.rating(mu=fixed[name], sigma=_SURE) if name in fixed else model.rating()
            for name in sorted(names)
        }
        for game in random.permutation(len(games)).tolist():
            first, second, *ranks = games[game]
            [[one], [other]] = model.rate([[ratings[first]], [ratings[second]]], ranks=ranks)
            ratings |= {
                name: new for name, new in ((first, one), (second, other)) if name not in fixed
            }
        rounds.append([(ratings[name].mu, ratings[name].sigma) for name in names])
    mu, sigma = np.moveaxis(np.array(rounds).reshape(_ORDERS, len(names), 2), 2, 0)
    return [
        BotRating(fixed[name], 0.0, True)
        if name in fixed
        else BotRating(float(mu[:, i].mean()), math.sqrt((sigma[:, i] ** 2).mean()), False)
        for i, name in enumerate(names)
    ]


def _games(names: Sequence[str], pairings: Sequence[Pairing]) -> list[tuple[str, str, int, int]]:
    """Every game as its bots, in the order of their names, and their places."""
    games = []
    for pairing in pairings:
        first, second = names[pairing.first], names[pairing.second]
        for lead in np.sign(pairing.goals[:, 0] - pairing.goals[:, 1]).tolist():
            places = (1 + (lead < 0), 1 + (lead > 0))
            if first <= second:
                games.append((first, second, *places))
            else:
                games.append((second, first, *places[::-1]))
    return games
