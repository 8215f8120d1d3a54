"""How bots stand after their games: shares with 95 % intervals, and which differences are certain.

A draw counts as half a win.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Z = 1.959964  # two-sided 95 %
_Z_POWER = 0.841621  # of a difference that is found with a chance of 80 %
_RESAMPLES = 2000
_DRAWS_AT_ONCE = 4_000_000


class Pairing(NamedTuple):
    """The games that two bots have played against one another."""

    first: int  # which of the bots
    second: int
    goals: np.ndarray  # [G,2] of the first and of the second


class Estimate(NamedTuple):
    """A share and its 95 % interval."""

    value: float
    low: float
    high: float


class Standing(NamedTuple):
    """How one bot did in all its games."""

    won: int
    drawn: int
    lost: int
    goals: int
    conceded: int
    win_rate: Estimate | None  # None before the first game
    goal_share: Estimate | None  # None before the first goal

    @property
    def games(self) -> int:
        """That it has played."""
        return self.won + self.drawn + self.lost


class Comparison(NamedTuple):
    """Whether one bot is better than another."""

    direct: bool  # by their own games, else by those against the same opponents
    games: int  # that were played in each of the pairings it rests on, at the least
    lead: float  # of the first: wins a game beyond a half, or more wins a game than the second
    significant: bool  # the first is better, with an error of 5 %
    games_needed: int | None  # a pairing, until that shows; None where it does not lead


def standings(bots: int, pairings: Sequence[Pairing]) -> list[Standing]:
    """How each of the bots did."""
    shares = _goal_shares(bots, pairings)
    return [_standing(bot, pairings, share) for bot, share in zip(range(bots), shares, strict=True)]


def wilson(points: float, games: int) -> Estimate:
    """Wilson's score interval of a share of points.

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n). Source: E. B. Wilson, 1927.

    Args:
        points: wins, and half the draws.
        games: n, at least 1.
    """
    share, z2 = points / games, Z * Z
    middle = share + z2 / (2 * games)
    reach = Z * math.sqrt(share * (1 - share) / games + z2 / (4 * games * games))
    scale = 1 + z2 / games
    return Estimate(share, max((middle - reach) / scale, 0.0), min((middle + reach) / scale, 1.0))


def compare(pairings: Sequence[Pairing], first: int, second: int) -> Comparison | None:
    """Whether the first of two bots is better than the second.

    By their own games, or where they have played none by those against the same opponents; the
    test is the one of shares with a correction for few games.

    Returns:
        None where neither tells.
    """
    own = _points(pairings, first, second)
    if len(own):
        share = float(own.mean())
        return _compared(True, share - 0.5, len(own), 0.25 / len(own), 0.25, share * (1 - share))
    pairs = [
        (one, other)
        for opponent in _opponents(pairings, first) & _opponents(pairings, second)
        if len(one := _points(pairings, first, opponent))
        and len(other := _points(pairings, second, opponent))
    ]
    if not pairs:
        return None
    lead = sum(one.mean() - other.mean() for one, other in pairs) / len(pairs)
    variance = if_equal = as_seen = 0.0
    for one, other in pairs:
        pooled = np.concatenate([one, other]).mean()
        null = pooled * (1 - pooled) / len(pairs) ** 2
        variance += null * (1 / len(one) + 1 / len(other))
        if_equal += 2 * null
        as_seen += sum(p.mean() * (1 - p.mean()) for p in (one, other)) / len(pairs) ** 2
    games = min(len(points) for pair in pairs for points in pair)
    return _compared(False, float(lead), games, variance, if_equal, as_seen)


def _compared(
    direct: bool, lead: float, games: int, variance: float, if_equal: float, as_seen: float
) -> Comparison:
    """Compare by a lead with its variance, and the variances of one game a pairing."""
    if lead <= 0:
        return Comparison(direct, games, lead, False, None)
    significant = lead - 0.5 / games > Z * math.sqrt(variance)
    needed = ((Z * math.sqrt(if_equal) + _Z_POWER * math.sqrt(as_seen)) / lead) ** 2 + 1 / lead
    return Comparison(direct, games, lead, significant, max(math.ceil(needed), games + 1))


def _opponents(pairings: Sequence[Pairing], bot: int) -> set[int]:
    return {
        pairing.first + pairing.second - bot
        for pairing in pairings
        if bot in (pairing.first, pairing.second)
    }


def _points(pairings: Sequence[Pairing], bot: int, opponent: int) -> np.ndarray:
    """What a bot won in its games against another: [G] of 0, 0.5 or 1."""
    own = [_seen_by(bot, p) for p in pairings if {bot, opponent} == {p.first, p.second}]
    goals = np.concatenate([np.zeros((0, 2), np.int64), *own])
    return (1 + np.sign(goals[:, 0] - goals[:, 1])) / 2


def _seen_by(bot: int, pairing: Pairing) -> np.ndarray:
    """Goals of a bot and of its opponent, [G,2]."""
    return pairing.goals if bot == pairing.first else pairing.goals[:, ::-1]


def _standing(bot: int, pairings: Sequence[Pairing], share: Estimate | None) -> Standing:
    own = [_seen_by(bot, p) for p in pairings if bot in (p.first, p.second)]
    goals = np.concatenate([np.zeros((0, 2), np.int64), *own])
    outcome = np.sign(goals[:, 0] - goals[:, 1])
    won, drawn, lost = (int((outcome == sign).sum()) for sign in (1, 0, -1))
    scored, conceded = goals.sum(axis=0).tolist()
    rate = wilson(won + drawn / 2, len(goals)) if len(goals) else None
    return Standing(won, drawn, lost, scored, conceded, rate, share)


def _goal_shares(bots: int, pairings: Sequence[Pairing]) -> list[Estimate | None]:
    """Each bot's share of the goals in its games, by a bootstrap over the games of each pairing."""
    random = np.random.default_rng(0)
    scored, conceded = np.zeros((2, bots, _RESAMPLES + 1), np.int64)
    for first, second, goals in pairings:
        sums = np.vstack([goals.sum(axis=0), _resampled_sums(goals, random)]).T
        for own, bot in enumerate((first, second)):
            scored[bot] += sums[own]
            conceded[bot] += sums[1 - own]
    return [_share(*pair) for pair in zip(scored, conceded, strict=True)]


def _resampled_sums(goals: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Sums over as many games drawn with replacement, [resamples,2]."""
    if not len(goals):
        return np.zeros((_RESAMPLES, 2), np.int64)
    at_once = max(_DRAWS_AT_ONCE // len(goals), 1)
    sizes = [min(at_once, _RESAMPLES - start) for start in range(0, _RESAMPLES, at_once)]
    return np.vstack(
        [goals[random.integers(len(goals), size=(n, len(goals)))].sum(axis=1) for n in sizes]
    )


def _share(scored: np.ndarray, conceded: np.ndarray) -> Estimate | None:
    """Of the real games, which come first, and of the resampled ones that had a goal."""
    total = scored + conceded
    if not total[0]:
        return None
    shares = scored[total > 0] / total[total > 0]
    low, high = np.quantile(shares[1:] if len(shares) > 1 else shares, [0.025, 0.975]).tolist()
    return Estimate(float(shares[0]), low, high)
