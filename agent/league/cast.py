"""Who plays where: the arenas of a league, shared out to opponents and sides."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...sim.constants import BLUE
from ...sim.engine import TEAM_SIZES
from ...sim.stage import BOT, LEARNER, OPPONENT
from ..config import ConfigError, TrainConfig

PAST = "past"


class Seat(NamedTuple):
    """One arena in which the learner has one team."""

    arena: int
    mode: str
    opponent: str  # PAST, or the name of a bot
    own: slice  # the learner's agents
    others: slice  # the opponent's


class Cast(NamedTuple):
    """Who drives the cars of all A arenas."""

    roles: np.ndarray  # [A,C] int8, see `lucy.sim.stage`
    learners: np.ndarray  # [n] int64, the agents that are the learner's
    seats: tuple[Seat, ...]  # the league's arenas, which are the last ones

    @property
    def notice(self) -> str:
        """What the user should know: how many arenas each opponent has."""
        arenas = Counter(seat.opponent for seat in self.seats)
        listed = ", ".join(f"{name} {count}" for name, count in arenas.items())
        return f"League in {len(self.seats)} of {len(self.roles)} arenas: {listed}."

    def arenas_of(self, opponent: str) -> slice:
        """An opponent's arenas, which lie side by side."""
        arenas = [seat.arena for seat in self.seats if seat.opponent == opponent]
        return slice(arenas[0], arenas[-1] + 1)


def cast_games(config: TrainConfig) -> Cast:
    """The league of a config; of each opponent's arenas the learner is blue in every other.

    Raises:
        ConfigError: an opponent would have no arena, or a bot has the past selves' name.
    """
    modes, league = config.environment.modes, config.league
    sizes = np.array([TEAM_SIZES[mode] for mode in modes])
    first_agent = np.concatenate([[0], np.cumsum(2 * sizes)]).tolist()
    largest = int(sizes.max())
    roles = np.full((len(modes), 2 * largest), LEARNER, np.int8)
    learners = np.ones(first_agent[-1], np.bool_)
    seats, sides = [], Counter[tuple[str, str]]()
    if PAST in league.bots:
        raise ConfigError(f"league.bots: {PAST!r} is no bot; league.past weighs past selves")
    weights = {PAST: league.past, **league.bots}
    opponents = _share_out({name: w for name, w in weights.items() if w}, config.league_arenas)
    for arena, opponent in enumerate(opponents, len(modes) - len(opponents)):
        mode, size = modes[arena], int(sizes[arena])
        blue = slice(first_agent[arena], first_agent[arena] + size)
        orange = slice(blue.stop, blue.stop + size)
        side = sides[opponent, mode] % 2  # the learner's
        sides[opponent, mode] += 1
        own, others = (blue, orange) if side == BLUE else (orange, blue)
        learners[others] = False
        theirs = slice(largest, None) if side == BLUE else slice(largest)
        roles[arena, theirs] = OPPONENT if opponent == PAST else BOT
        seats.append(Seat(arena, mode, opponent, own, others))
    return Cast(roles, np.flatnonzero(learners), tuple(seats))


def _share_out(weights: Mapping[str, float], arenas: int) -> list[str]:
    """Each opponent's name as often as it has arenas, which are as many as its weight says."""
    shares = np.array(list(weights.values())) / sum(weights.values()) * arenas
    counts = np.floor(shares).astype(int)
    behind = np.argsort(counts - shares, kind="stable")[: arenas - counts.sum()]
    counts[behind] += 1
    if counts.min() < 1:
        raise ConfigError(
            f"the league's {arenas} arenas are too few for {list(weights)} with weights "
            f"{list(weights.values())}: raise league.share, or leave some opponents out"
        )
    return np.repeat(list(weights), counts).tolist()
