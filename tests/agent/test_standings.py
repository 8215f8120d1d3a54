"""Intervals and tests against closed forms, simulated play and SciPy-free twins; ratings too."""

import math

import numpy as np
import pytest

from lucy.agent.ratings import rate
from lucy.agent.standings import Comparison, Pairing, compare, standings, wilson
from lucy.agent.store import FIXED

WIN, DRAW, LOSS = (2, 1), (1, 1), (0, 3)


def pairing(first: int, second: int, won: int, drawn: int, lost: int) -> Pairing:
    goals = [WIN] * won + [DRAW] * drawn + [LOSS] * lost
    return Pairing(first, second, np.array(goals, np.int64).reshape(-1, 2))


def simulated(
    random: np.random.Generator, strengths: list[float], games: int, scale: float = 1.0
) -> list[Pairing]:
    """A round robin in which a difference d wins with the odds e^(d/scale)."""
    pairings = []
    for first in range(len(strengths)):
        for second in range(first + 1, len(strengths)):
            lead = (strengths[first] - strengths[second]) / scale
            won = int(random.binomial(games, 1 / (1 + math.exp(-lead))))
            pairings.append(pairing(first, second, won, 0, games - won))
    return pairings


@pytest.mark.parametrize(
    ("points", "games", "low", "high"),
    [  # from the closed form with z = 1.96, by hand
        (5, 10, 0.2366, 0.7634),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilson_golden(points: float, games: int, low: float, high: float) -> None:
    assert wilson(points, games) == pytest.approx((points / games, low, high), abs=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_wilson_covers_what_it_says(share: float) -> None:
    wins = np.random.default_rng(1).binomial(30, share, size=4000)
    covered = [low <= share <= high for _, low, high in (wilson(w, 30) for w in wins.tolist())]
    assert 0.92 < np.mean(covered) < 0.98


def test_every_result_counts_for_both_bots() -> None:
    one, other, third = standings(3, [pairing(0, 1, 3, 2, 1)])
    assert one[:5] == (3, 2, 1, 8, 8)
    assert other[:5] == (1, 2, 3, 8, 8)
    assert one.win_rate
    assert one.win_rate.value == 4 / 6
    assert third == (0, 0, 0, 0, 0, None, None)


def test_goal_share_has_an_interval_that_covers() -> None:
    random = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        goals = random.poisson([6.0, 4.0], size=(30, 2))
        share = standings(2, [Pairing(0, 1, goals)])[0].goal_share
        assert share
        covered.append(share.low <= 0.6 <= share.high)
    assert 0.9 < np.mean(covered) < 0.99


def test_goal_shares_of_two_bots_are_one_and_no_goals_are_none() -> None:
    one, other = standings(2, [Pairing(0, 1, np.array([[3, 1], [0, 2], [5, 5]]))])
    assert one.goal_share
    assert other.goal_share
    assert one.goal_share.value + other.goal_share.value == 1
    assert one.goal_share.low + other.goal_share.high == pytest.approx(1)
    assert standings(2, [Pairing(0, 1, np.zeros((4, 2), np.int64))])[0].goal_share is None


def test_the_interval_of_many_games_is_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    goals = np.random.default_rng(0).poisson([3.0, 1.0], size=(50, 2))
    whole = standings(2, [Pairing(0, 1, goals)])
    monkeypatch.setattr("lucy.agent.standings._DRAWS_AT_ONCE", 70)
    assert standings(2, [Pairing(0, 1, goals)]) == whole


@pytest.mark.parametrize(
    ("won", "lost", "significant"),
    [  # two-sided binomial tests at 5 %: p = 0.063, 0.031, 0.115, 0.041
        (5, 0, False),
        (6, 0, True),
        (14, 6, False),
        (15, 5, True),
    ],
)
def test_significance_is_that_of_the_binomial_test(won: int, lost: int, significant: bool) -> None:
    told = compare([pairing(0, 1, won, 0, lost)], 0, 1)
    assert told
    assert told.significant == significant
    turned = compare([pairing(0, 1, won, 0, lost)], 1, 0)
    assert turned
    assert turned.lead == pytest.approx(-told.lead)
    assert (turned.significant, turned.games_needed) == (False, None)


def test_equal_bots_are_rarely_told_apart() -> None:
    wins = np.random.default_rng(3).binomial(60, 0.5, size=2000).tolist()
    told = [compare([pairing(0, 1, won, 0, 60 - won)], 0, 1) for won in wins]
    assert np.mean([one is not None and one.significant for one in told]) < 0.03  # one side of 5 %


def test_so_many_games_find_the_difference_four_times_of_five() -> None:
    needed = compare([pairing(0, 1, 60, 0, 40)], 0, 1)
    assert needed == (True, 100, pytest.approx(0.1), False, needed and needed.games_needed)
    assert needed.games_needed == pytest.approx(194 + 10, abs=2)  # (1.96/2 + 0.84 √0.24)² / 0.01
    wins = np.random.default_rng(4).binomial(needed.games_needed, 0.6, size=500).tolist()
    found = [compare([pairing(0, 1, won, 0, needed.games_needed - won)], 0, 1) for won in wins]
    assert 0.75 < np.mean([told is not None and told.significant for told in found]) < 0.9


def test_bots_that_have_not_met_are_compared_by_common_opponents() -> None:
    against = [pairing(0, 2, 30, 0, 10), pairing(2, 1, 25, 0, 15)]
    assert compare(against, 0, 1) == Comparison(
        direct=False, games=40, lead=0.375, significant=True, games_needed=41
    )
    assert compare(against[:1], 0, 1) is None
    hopeless = [pairing(0, 2, 9, 0, 0), pairing(1, 2, 9, 0, 0)]
    assert compare(hopeless, 0, 1) == (False, 9, 0.0, False, None)


def test_common_opponents_find_a_difference_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)

    def told(games: int, share: float) -> Comparison | None:
        won = random.binomial(games, [0.5, 0.6, share, share + 0.1]).tolist()
        against = zip((0, 0, 1, 1), (2, 3, 2, 3), won, strict=True)
        return compare([pairing(a, b, w, 0, games - w) for a, b, w in against], 1, 0)

    equal = [told(60, 0.5) for _ in range(1000)]
    assert np.mean([one is not None and one.significant for one in equal]) < 0.03
    better = [told(170, 0.61) for _ in range(300)]
    assert 0.7 < np.mean([one is not None and one.significant for one in better]) < 0.95


def test_ratings_come_back_from_simulated_play() -> None:
    strengths = [0.0, 25.0, 5.0, 9.0, 18.0]
    names = ["chaser", "necto", "a", "b", "c"]
    misses, sigmas = [], []
    for seed in range(10):
        games = simulated(np.random.default_rng(seed), strengths, 40, math.sqrt(2) * 25 / 6)
        rated = rate(names, games, "1v1")
        assert rated[:2] == [(0.0, 0.0, True), (25.0, 0.0, True)]
        misses += [one.mu - true for one, true in zip(rated, strengths, strict=True)][2:]
        sigmas += [one.sigma for one in rated[2:]]
    assert abs(np.mean(misses)) < 1
    assert np.mean(np.abs(misses) < 2 * np.array(sigmas)) >= 0.95


def test_the_order_of_games_and_bots_makes_no_difference() -> None:
    random = np.random.default_rng(6)
    games = simulated(random, [0, 5, 9, 3], 10, 6.0)
    names = ["chaser", "a", "b", "c"]
    turned = [
        Pairing(3 - second, 3 - first, random.permutation(goals)[:, ::-1])
        for first, second, goals in reversed(games)
    ]
    assert rate(names[::-1], turned, "2v2")[::-1] == rate(names, games, "2v2")


@pytest.mark.parametrize("mode", ["1v1", "2v2", "3v3"])
@pytest.mark.parametrize("fixed", ["chaser", "necto", "nexto"])
def test_an_equal_of_a_fixed_bot_stands_where_it_does(mode: str, fixed: str) -> None:
    anchor, equal = rate([fixed, "a"], [pairing(0, 1, 100, 0, 100)], mode)
    assert anchor == (FIXED[mode][fixed], 0.0, True)
    assert equal.mu == pytest.approx(FIXED[mode][fixed], abs=2)
    assert not equal.fixed


def test_without_fixed_bots_or_games() -> None:
    equal = rate(["a", "b"], [pairing(0, 1, 5, 0, 5)], "1v1")
    assert equal[0].mu == pytest.approx(12.5, abs=1.5)
    assert rate(["a"], [], "3v3") == [(12.5, pytest.approx(25 / 3), False)]
    assert set(FIXED) == {"1v1", "2v2", "3v3"}
