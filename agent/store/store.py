"""`Store`: what trainings, matches and ratings write into; any number of them at once."""

import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, delete, func, insert, select, update

from .connection import Database
from .models import (
    GoalRow,
    GoalScorer,
    MatchRow,
    PairingGame,
    RatingRow,
    RecordingRow,
    Run,
    RunIteration,
)
from .packing import pack_components, pack_metrics, with_new
from .values import Iteration, Match, Rating, RecordingEntry, RunStatus

PATIENCE = 10.0  # s


class Store:
    """A database of runs, iterations, component statistics, matches, goals, ratings, recordings.

    Every method that adds is one transaction: when it returns, what it added is durable; when
    it raises or the process dies, nothing of it is there. On SQLite that holds through a power
    failure too, as far as the disk does what it is told.

    Attributes:
        database: what `lucy.agent.store.readers` read.
    """

    def __init__(self, database: Database) -> None:
        """Write to this database; `open` is the way in."""
        self.database = database

    @classmethod
    def open(cls, url: str, *, create: bool = True, patience: float = PATIENCE) -> Self:
        """Open a store.

        Args:
            url: of a database, such as "sqlite:///runs/lucy.db" or
                "postgresql://user@host/lucy"; or the path of an SQLite file.
            create: it where the database is empty or not there.
            patience: seconds to wait while another process holds the database's lock.

        Raises:
            StoreUrlError: no such database can be.
            StoreError: it is locked, damaged, not to be read, of another version of Lucy, no
                store of hers, or not there and not to be created.
        """
        return cls(Database(url, create, patience))

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def __enter__(self) -> Self:
        """This store, closed at the end of the context."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def start_run(
        self,
        directory: Path,
        *,
        config: Mapping[str, Any],
        device: str = "",
        versions: Mapping[str, str] | None = None,
        resume_after: int | None = None,
    ) -> "RunWriter":
        """Begin a run, or go on with the newest that was begun in this directory.

        Args:
            directory: of the run, on this machine.
            config: its settings, as JSON values.
            device: that it trains on.
            versions: of Lucy and of what else decides how it goes.
            resume_after: agent-steps after which it goes on; iterations and ratings beyond
                are taken back.
                None begins a new run.

        Raises:
            StoreError: the database cannot be written.
        """
        place = _place(directory)
        state = {
            "status": RunStatus.RUNNING,
            "device": device,
            "config": dict(config),
            "versions": dict(versions or {}),
        }

        def start(connection: Connection) -> int:
            now = time.time()
            run = None if resume_after is None else _newest_run(connection, place)
            if run is not None:
                connection.execute(update(Run).where(Run.id == run).values(**state, updated=now))
                _take_back(connection, run, resume_after or 0)
                return run
            new = insert(Run).values(
                **place,
                **state,
                name=directory.resolve().name,
                started=now,
                updated=now,
                steps=0,
                iterations=0,
                metric_names=[],
                component_names=[],
            )
            return _new_key(connection.execute(new))

        return RunWriter(self.database, self.database.write(start))

    def add_matches(self, matches: Iterable[Match]) -> list[int]:
        """Add games with their goals.

        Returns:
            Their numbers in the store.

        Raises:
            StoreError: the database cannot be written.
        """
        matches = list(matches)
        return self.database.write(lambda c: [_add_match(c, match) for match in matches])

    def pairing_games(self, pairing: str) -> dict[int, tuple[int, int]]:
        """The games of a tournament's pairing: number -> goals of its first bot, and its second.

        Raises:
            StoreError: the database cannot be read.
        """
        query = (
            select(PairingGame.number, MatchRow.first_goals, MatchRow.second_goals)
            .join(MatchRow, MatchRow.id == PairingGame.match_id)
            .where(PairingGame.pairing == pairing)
        )
        rows = self.database.read(lambda c: c.execute(query).all())
        return {number: (first, second) for number, first, second in rows}

    def add_pairing_games(self, pairing: str, games: Mapping[int, Match]) -> None:
        """Add games of a tournament's pairing, but those that it has already.

        Args:
            pairing: up to 64 characters that stand for the bots and how they play.
            games: by number.

        Raises:
            StoreError: the database cannot be written.
        """

        def add(connection: Connection) -> None:
            numbers = select(PairingGame.number).where(PairingGame.pairing == pairing)
            known = set(connection.scalars(numbers))
            for number in sorted(games.keys() - known):
                match = _add_match(connection, games[number])
                row = {"pairing": pairing, "number": number, "match_id": match}
                connection.execute(insert(PairingGame).values(row))

        self.database.write(add)

    def find_run(self, directory: Path) -> int | None:
        """The newest run that was begun in this directory, on this machine.

        Raises:
            StoreError: the database cannot be read.
        """
        return self.database.read(lambda c: _newest_run(c, _place(directory)))

    def add_ratings(self, ratings: Iterable[Rating]) -> None:
        """Add what bots are rated at now.

        Raises:
            StoreError: the database cannot be written.
        """
        rows = [_renamed(asdict(rating), run="run_id") for rating in ratings]
        if rows:
            self.database.write(lambda c: c.execute(insert(RatingRow), rows))

    def add_recording(self, recording: RecordingEntry) -> int:
        """Add where a recording lies.

        Returns:
            Its number in the store.

        Raises:
            StoreError: the database cannot be written.
        """
        row = _renamed(asdict(recording), run="run_id")
        row["names"] = list(recording.names)
        return self.database.write(
            lambda c: _new_key(c.execute(insert(RecordingRow).values(**row)))
        )


class RunWriter:
    """One run in the store; one process writes it.

    Attributes:
        id: its number in the store.
    """

    def __init__(self, database: Database, run: int) -> None:
        """Write to this run; `Store.start_run` is the way in."""
        self.id = run
        self._database = database

    def add_iterations(self, iterations: Iterable[Iteration]) -> None:
        """Add iterations, in the order of their steps.

        Those that are not beyond the run's newest are there already, and are passed over: so
        adding again is safe after an error that left open whether the database had done it.

        Raises:
            StoreError: the database cannot be written.
        """
        iterations = list(iterations)
        self._database.write(lambda c: _add_iterations(c, self.id, iterations))

    def end(self, status: RunStatus) -> None:
        """Say how the run ended.

        Raises:
            StoreError: the database cannot be written.
        """
        change = update(Run).where(Run.id == self.id).values(status=status, updated=time.time())
        self._database.write(lambda c: c.execute(change))


def _place(directory: Path) -> dict[str, str]:
    return {"machine": platform.node(), "directory": str(directory.resolve())}


def _newest_run(connection: Connection, place: Mapping[str, str]) -> int | None:
    return connection.scalar(select(func.max(Run.id)).filter_by(**place))


def _take_back(connection: Connection, run: int, steps: int) -> None:
    of_run = RunIteration.run_id == run
    connection.execute(delete(RunIteration).where(of_run, RunIteration.steps > steps))
    ratings = delete(RatingRow).where(RatingRow.run_id == run, RatingRow.steps > steps)
    connection.execute(ratings)
    left = select(func.count(), func.coalesce(func.max(RunIteration.steps), 0)).where(of_run)
    iterations, newest = connection.execute(left).one()
    connection.execute(update(Run).where(Run.id == run).values(iterations=iterations, steps=newest))


def _add_iterations(connection: Connection, run: int, iterations: list[Iteration]) -> None:
    columns = (Run.steps, Run.iterations, Run.metric_names, Run.component_names)
    stands = connection.execute(select(*columns).where(Run.id == run).with_for_update()).one()
    new = [iteration for iteration in iterations if iteration.steps > stands.steps]
    if not new:
        return
    metrics, components = stands.metric_names, stands.component_names
    for iteration in new:
        metrics = with_new(metrics, iteration.metrics)
        components = with_new(components, iteration.components)
    rows = [
        {
            "run_id": run,
            "number": stands.iterations + i,
            "steps": iteration.steps,
            "time": iteration.time,
            "metrics": pack_metrics(metrics, iteration.metrics),
            "components": pack_components(components, iteration.components),
        }
        for i, iteration in enumerate(new)
    ]
    connection.execute(insert(RunIteration), rows)
    state: dict[str, Any] = {
        "steps": new[-1].steps,
        "iterations": stands.iterations + len(new),
        "updated": time.time(),
    }
    if metrics != stands.metric_names:
        state["metric_names"] = metrics
    if components != stands.component_names:
        state["component_names"] = components
    connection.execute(update(Run).where(Run.id == run).values(**state))


def _add_match(connection: Connection, match: Match) -> int:
    row = {
        "time": match.time,
        "first": match.bots[0],
        "second": match.bots[1],
        "mode": match.mode,
        "seed": match.seed,
        "game": match.game,
        "first_is_blue": match.first_is_blue,
        "seconds": match.seconds,
        "first_goals": match.score[0],
        "second_goals": match.score[1],
        "figures": {name: list(pair) for name, pair in match.figures.items()},
        "recording_id": match.recording,
    }
    key = _new_key(connection.execute(insert(MatchRow).values(**row)))
    goals, scorers = [], []
    for number, goal in enumerate(match.goals):
        values = {"match_id": key, "number": number} | asdict(goal)
        car = values.pop("scorer")
        goals.append(values)
        if car is not None:
            scorers.append({"match_id": key, "number": number, "car": car})
    if goals:
        connection.execute(insert(GoalRow), goals)
    if scorers:
        connection.execute(insert(GoalScorer), scorers)
    return key


def _new_key(result: Any) -> int:
    return result.inserted_primary_key[0]


def _renamed(row: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in row.items()}
