"""What goes into the store."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class RunStatus(StrEnum):
    """How a run stands; one that was killed stays `running`, and its `updated` grows old."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class ComponentStatistics(NamedTuple):
    """What one reward component paid in one iteration; after team spirit unless said."""

    mean: float  # a car and step
    spread: float  # standard deviation of the same
    share: float  # of all that is paid, by absolute value
    positive: float  # car-steps above zero
    negative: float  # and below
    value: float  # what it was worth a car and step, before weight and team spirit


STATISTICS = ComponentStatistics._fields


class Iteration(NamedTuple):
    """One iteration of a training."""

    steps: int  # agent-steps of the run after it
    metrics: Mapping[str, float]
    components: Mapping[str, ComponentStatistics]
    time: float | None = None  # Unix seconds; None where it is not known any more


@dataclass(frozen=True)
class Goal:
    """One goal of a match."""

    seconds: float  # of play since the match began
    by_first: bool  # for the first bot, else for the second
    ball_speed: float  # uu/s
    scorer: int | None = None  # which of the bot's cars, from 0; None for an own goal


@dataclass(frozen=True)
class Match:
    """One game between two bots; pairs hold the first bot's value, then the second's."""

    bots: tuple[str, str]
    mode: str
    seed: int
    game: int  # with this seed; the seed and it fix every draw of the match
    first_is_blue: bool
    seconds: float
    score: tuple[int, int]
    goals: tuple[Goal, ...] = ()
    figures: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    recording: int | None = None  # in the store; `game` is its game there
    time: float = field(default_factory=time.time)  # Unix seconds


# A difference d means that the better bot wins e^(d/5.9) games for each that it loses. Chaser and
# Necto make the scale; Nexto's place on it is measured, see docs/tournaments.md
FIXED: Mapping[str, Mapping[str, float]] = {
    mode: {"chaser": 0.0, "necto": 25.0, "nexto": nexto}
    for mode, nexto in (("1v1", 52.0), ("2v2", 51.0), ("3v3", 47.0))
}


@dataclass(frozen=True)
class Rating:
    """What a bot was rated at a moment."""

    bot: str
    mode: str
    mu: float
    sigma: float
    games: int  # that the rating rests on
    run: int | None = None  # whose checkpoint the bot is
    steps: int | None = None  # agent-steps of that checkpoint
    time: float = field(default_factory=time.time)  # Unix seconds


@dataclass(frozen=True)
class RecordingEntry:
    """Where a recorded trajectory lies."""

    path: str
    source: str  # "match", "replay", …
    mode: str
    steps: int
    names: tuple[str, ...] = ()  # of bots or players
    run: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)  # as JSON
    time: float = field(default_factory=time.time)  # Unix seconds
