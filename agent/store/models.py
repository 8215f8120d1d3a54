"""The tables of the store.

An iteration is one row with its numbers packed as little-endian float64: `metrics` in the order
of the run's `metric_names`, `components` [K,6] in that of its `component_names`. Names that turn
up later are appended, so an older row may be shorter than its list. A row of JSON took six times
the space and ten times the time to read, a row a number three times the space; docs/store.md has
the figures.

Times are Unix seconds, since databases disagree about time zones.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Of what follows; an older store needs a migration, written with the change. A table more is no
# change: it is made when a store that lacks it is opened for writing.
VERSION = 1


class Table(DeclarativeBase):
    """The base of every table."""


class SchemaVersion(Table):
    """One row: which version of these tables the database holds."""

    __tablename__ = "lucy_schema"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Run(Table):
    """A training, and where it stands."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_place", "machine", "directory"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    machine: Mapped[str] = mapped_column(String(255))
    directory: Mapped[str] = mapped_column(String(500))
    status: Mapped[str] = mapped_column(String(20))
    device: Mapped[str] = mapped_column(String(50))
    started: Mapped[float]
    updated: Mapped[float]
    steps: Mapped[int] = mapped_column(BigInteger)
    iterations: Mapped[int]
    metric_names: Mapped[list[str]] = mapped_column(JSON)
    component_names: Mapped[list[str]] = mapped_column(JSON)
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    versions: Mapped[dict[str, str]] = mapped_column(JSON)


class RunIteration(Table):
    """One iteration; `number` counts from 0 without a gap, so that a reader can take a stride."""

    __tablename__ = "iterations"
    __table_args__ = (Index("iterations_by_run", "run_id", "number", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    number: Mapped[int]
    steps: Mapped[int] = mapped_column(BigInteger)
    time: Mapped[float | None]
    metrics: Mapped[bytes] = mapped_column(LargeBinary)
    components: Mapped[bytes] = mapped_column(LargeBinary)


class MatchRow(Table):
    """One game."""

    __tablename__ = "matches"
    __table_args__ = (Index("matches_by_bots", "first", "second", "mode"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[float]
    first: Mapped[str] = mapped_column(String(255))
    second: Mapped[str] = mapped_column(String(255))
    mode: Mapped[str] = mapped_column(String(20))
    seed: Mapped[int] = mapped_column(BigInteger)
    game: Mapped[int]
    first_is_blue: Mapped[bool]
    seconds: Mapped[float]
    first_goals: Mapped[int]
    second_goals: Mapped[int]
    figures: Mapped[dict[str, list[float]]] = mapped_column(JSON)
    recording_id: Mapped[int | None] = mapped_column(ForeignKey("recordings.id"))


class PairingGame(Table):
    """One game of a tournament, by what was paired and how it is played."""

    __tablename__ = "pairing_games"
    pairing: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    match_id: Mapped[int] = mapped_column(ForeignKey("matches.id"))


class GoalRow(Table):
    """One goal of a game."""

    __tablename__ = "goals"
    match_id: Mapped[int] = mapped_column(ForeignKey("matches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seconds: Mapped[float]
    by_first: Mapped[bool]
    ball_speed: Mapped[float]


class GoalScorer(Table):
    """Which car scored a goal; a goal without one was the other side's own."""

    __tablename__ = "goal_scorers"
    match_id: Mapped[int] = mapped_column(ForeignKey("matches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    car: Mapped[int]  # of the bot that scored, from 0


class RatingRow(Table):
    """A bot's rating at a moment."""

    __tablename__ = "ratings"
    __table_args__ = (
        Index("ratings_by_bot", "mode", "bot"),
        Index("ratings_by_run", "run_id", "mode"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[float]
    bot: Mapped[str] = mapped_column(String(255))
    mode: Mapped[str] = mapped_column(String(20))
    mu: Mapped[float]
    sigma: Mapped[float]
    games: Mapped[int]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    steps: Mapped[int | None] = mapped_column(BigInteger)


class RecordingRow(Table):
    """Where a recorded trajectory lies."""

    __tablename__ = "recordings"
    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[float]
    path: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(String(50))
    mode: Mapped[str] = mapped_column(String(20))
    steps: Mapped[int]
    names: Mapped[list[str]] = mapped_column(JSON)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
