"""What is in a store, as data frames and small records; every function is one look at it.

Curves come thinned to about as many points as a screen can show: each k-th iteration and the
newest. Reading disturbs no writer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    func,
    inspect,
    null,
    or_,
    select,
    tuple_,
)

from .connection import StoreError
from .models import GoalRow, GoalScorer, MatchRow, RatingRow, RecordingRow, Run, RunIteration
from .packing import unpack
from .store import Store
from .values import STATISTICS, Rating

POINTS = 1000
_NAMED = 5000  # rows that a query asks for one by one, so that those between are never read


@dataclass(frozen=True)
class RunSummary:
    """A run as a list shows it."""

    id: int
    name: str
    machine: str
    directory: str
    status: str  # a RunStatus
    device: str
    started: float  # Unix seconds
    updated: float  # a running one that is old here was killed
    steps: int
    iterations: int
    latest: dict[str, float]  # metrics of the newest iteration
    ratings: dict[str, Rating]  # mode -> newest rating of one of its checkpoints


@dataclass(frozen=True)
class RunSettings:
    """What a run was told."""

    config: dict[str, Any]
    versions: dict[str, str]


def list_runs(store: Store) -> list[RunSummary]:
    """Every run, the newest first."""

    def read(connection: Connection) -> list[RunSummary]:
        ratings = _newest_ratings(connection)
        newest = and_(RunIteration.run_id == Run.id, RunIteration.number == Run.iterations - 1)
        columns = (
            *(Run.id, Run.name, Run.machine, Run.directory, Run.status, Run.device),
            *(Run.started, Run.updated, Run.steps, Run.iterations),
        )
        query: Any = (
            select(*columns, Run.metric_names, RunIteration.metrics)
            .outerjoin(RunIteration, newest)
            .order_by(Run.id.desc())
        )
        return [
            RunSummary(
                *row[: len(columns)],
                latest=_named(row.metric_names, row.metrics),
                ratings=ratings.get(row.id, {}),
            )
            for row in connection.execute(query)
        ]

    return store.database.read(read)


def run_settings(store: Store, run: int) -> RunSettings:
    """The config of a run, and the versions that it began with.

    Raises:
        StoreError: there is no such run.
    """
    row = store.database.read(lambda c: _of_run(store, c, run, Run.config, Run.versions))
    return RunSettings(row.config, row.versions)


def all_settings(store: Store) -> dict[int, RunSettings]:
    """The config and versions of every run, by its number."""

    def read(connection: Connection) -> dict[int, RunSettings]:
        rows = connection.execute(select(Run.id, Run.config, Run.versions))
        return {row.id: RunSettings(row.config, row.versions) for row in rows}

    return store.database.read(read)


def metric_names(store: Store, run: int) -> list[str]:
    """The metrics that a run logged.

    Raises:
        StoreError: there is no such run.
    """
    return store.database.read(lambda c: _of_run(store, c, run, Run.metric_names)).metric_names


def read_metrics(
    store: Store, run: int, names: Sequence[str] | None = None, points: int = POINTS
) -> pd.DataFrame:
    """Curves of a run.

    Args:
        store: where.
        run: its number.
        names: of metrics; default all. One that was never logged is NaN throughout.
        points: about how many iterations at most.

    Returns:
        A row an iteration: `steps`, `time` (Unix seconds, NaN where unknown), the metrics.

    Raises:
        StoreError: there is no such run.
    """

    def read(connection: Connection) -> pd.DataFrame:
        about = _of_run(store, connection, run, Run.iterations, Run.metric_names)
        rows = _thinned(connection, run, about.iterations, points, RunIteration.metrics)
        table = unpack([row.metrics for row in rows], len(about.metric_names))
        logged = pd.DataFrame(table, columns=about.metric_names)
        chosen = logged if names is None else logged.reindex(columns=list(names))
        return pd.concat([_axes(rows), chosen], axis=1)

    return store.database.read(read)


def component_statistics(store: Store, run: int, points: int = POINTS) -> pd.DataFrame:
    """What every reward component paid over a run.

    Args:
        store: where.
        run: its number.
        points: about how many iterations at most.

    Returns:
        A row an iteration and component: `steps`, `time`, `component`, `mean`, `spread`,
        `share`, `positive`, `negative`, `value` as in `ComponentStatistics`.

    Raises:
        StoreError: there is no such run.
    """

    def read(connection: Connection) -> pd.DataFrame:
        about = _of_run(store, connection, run, Run.iterations, Run.component_names)
        names = about.component_names
        rows = _thinned(connection, run, about.iterations, points, RunIteration.components)
        table = unpack([row.components for row in rows], len(names) * len(STATISTICS))
        axes = _axes(rows).loc[np.repeat(np.arange(len(rows)), len(names))].reset_index(drop=True)
        axes["component"] = pd.Categorical(names * len(rows), categories=names)
        values = pd.DataFrame(table.reshape(-1, len(STATISTICS)), columns=list(STATISTICS))
        return pd.concat([axes, values], axis=1)

    return store.database.read(read)


def read_matches(
    store: Store, bots: tuple[str, str] | None = None, mode: str | None = None
) -> pd.DataFrame:
    """Games, the oldest first; those of a pairing whichever bot was named first."""
    query = select(MatchRow.__table__).where(*_of_pairing(bots, mode)).order_by(MatchRow.id)
    return _frame(store, query)


def read_goals(
    store: Store, bots: tuple[str, str] | None = None, mode: str | None = None
) -> pd.DataFrame:
    """Goals of the games that `read_matches` finds.

    Returns:
        A row a goal: the store's columns, `scorer`, the bot that scored, and `car`, which of its
        cars it was, missing where it is not known.
    """
    scorer = case((GoalRow.by_first, MatchRow.first), else_=MatchRow.second).label("scorer")
    order = (GoalRow.match_id, GoalRow.number)
    of_games = MatchRow.id == GoalRow.match_id

    def read(connection: Connection) -> pd.DataFrame:
        # A store that an older Lucy wrote has no such table until it is written to again
        known = inspect(connection).has_table(GoalScorer.__tablename__)
        car = GoalScorer.car if known else null().label("car")
        query = select(GoalRow.__table__, scorer, car).join(MatchRow, of_games)
        if known:
            same = tuple_(GoalScorer.match_id, GoalScorer.number) == tuple_(*order)
            query = query.outerjoin(GoalScorer, same)
        query = query.where(*_of_pairing(bots, mode)).order_by(*order)
        return _rows(connection, query)

    return store.database.read(read)


def read_pairings(store: Store, mode: str | None = None) -> pd.DataFrame:
    """How every two bots stand against one another.

    Returns:
        A row a pairing and mode: `first` and `second` in the order of their names, `mode`,
        `games`, `won`, `drawn`, `lost` and `goals`, `conceded` of the first.
    """
    in_order = MatchRow.first <= MatchRow.second
    lead = MatchRow.first_goals - MatchRow.second_goals
    own = case((in_order, lead), else_=-lead)
    first = case((in_order, MatchRow.first), else_=MatchRow.second)
    second = case((in_order, MatchRow.second), else_=MatchRow.first)
    goals = case((in_order, MatchRow.first_goals), else_=MatchRow.second_goals)
    conceded = case((in_order, MatchRow.second_goals), else_=MatchRow.first_goals)
    single = (
        select(
            first.label("first"),
            second.label("second"),
            MatchRow.mode,
            own.label("own"),
            goals.label("goals"),
            conceded.label("conceded"),
        )
        .where(*_of_pairing(None, mode))
        .subquery()
    )
    pairing = (single.c.first, single.c.second, single.c.mode)

    def games(condition: ColumnElement[bool], name: str) -> Any:
        return func.sum(case((condition, 1), else_=0)).label(name)

    query = (
        select(
            *pairing,
            func.count().label("games"),
            games(single.c.own > 0, "won"),
            games(single.c.own == 0, "drawn"),
            games(single.c.own < 0, "lost"),
            func.sum(single.c.goals).label("goals"),
            func.sum(single.c.conceded).label("conceded"),
        )
        .group_by(*pairing)
        .order_by(*pairing)
    )
    return _frame(store, query)


def read_ratings(store: Store, mode: str | None = None, run: int | None = None) -> pd.DataFrame:
    """Every rating, the oldest first; the last row of a bot and mode is what it has now.

    Args:
        store: where.
        mode: of play; default all.
        run: whose checkpoints are meant; default every bot.
    """
    chosen = [] if mode is None else [RatingRow.mode == mode]
    if run is not None:
        chosen.append(RatingRow.run_id == run)
    return _frame(store, select(RatingRow.__table__).where(*chosen).order_by(RatingRow.id))


def read_recordings(store: Store, source: str | None = None) -> pd.DataFrame:
    """Recordings, the oldest first."""
    chosen = () if source is None else (RecordingRow.source == source,)
    return _frame(store, select(RecordingRow.__table__).where(*chosen).order_by(RecordingRow.id))


def _frame(store: Store, query: Any) -> pd.DataFrame:
    return store.database.read(lambda connection: _rows(connection, query))


def _rows(connection: Connection, query: Any) -> pd.DataFrame:
    result = connection.execute(query)
    return pd.DataFrame(result.all(), columns=list(result.keys()))


def _of_run(store: Store, connection: Connection, run: int, *columns: Any) -> Any:
    row = connection.execute(select(*columns).where(Run.id == run)).one_or_none()
    if row is None:
        runs = connection.scalar(select(func.count()).select_from(Run))
        raise StoreError(
            f"{store.database.name}: expected a run with the number {run}, but there is none "
            f"among its {runs} runs. list_runs names them."
        )
    return row


def _thinned(
    connection: Connection, run: int, iterations: int, points: int, column: Any
) -> Sequence[Any]:
    number = RunIteration.number
    stride = max(-(-iterations // points), 1)
    query = select(RunIteration.steps, RunIteration.time, column).where(RunIteration.run_id == run)
    wanted = {*range(0, iterations, stride), iterations - 1}
    if stride > 1 and len(wanted) <= _NAMED:
        query = query.where(number.in_(wanted))
    elif stride > 1:
        query = query.where(or_(number % stride == 0, number == iterations - 1))
    return connection.execute(query.order_by(number)).all()


def _axes(rows: Sequence[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "steps": np.array([row.steps for row in rows], np.int64),
            "time": np.array([row.time for row in rows], np.float64),
        }
    )


def _named(names: list[str], packed: bytes | None) -> dict[str, float]:
    if packed is None:
        return {}
    values = unpack([packed], len(names))[0].tolist()
    pairs = zip(names, values, strict=True)
    return {name: value for name, value in pairs if not math.isnan(value)}


def _newest_ratings(connection: Connection) -> dict[int, dict[str, Rating]]:
    newest = (
        select(func.max(RatingRow.id))
        .where(RatingRow.run_id.is_not(None))
        .group_by(RatingRow.run_id, RatingRow.mode)
    )
    ratings: dict[int, dict[str, Rating]] = {}
    for row in connection.execute(select(RatingRow.__table__).where(RatingRow.id.in_(newest))):
        rating = Rating(
            row.bot, row.mode, row.mu, row.sigma, row.games, row.run_id, row.steps, row.time
        )
        ratings.setdefault(row.run_id, {})[row.mode] = rating
    return ratings


def _of_pairing(bots: tuple[str, str] | None, mode: str | None) -> list[ColumnElement[bool]]:
    chosen = [] if mode is None else [MatchRow.mode == mode]
    if bots is not None:
        one, other = bots
        chosen.append(
            or_(
                and_(MatchRow.first == one, MatchRow.second == other),
                and_(MatchRow.first == other, MatchRow.second == one),
            )
        )
    return chosen
