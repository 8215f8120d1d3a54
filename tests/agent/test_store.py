"""The store: what goes in comes out, side by side with others; and how it refuses."""

import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucy.agent.store import (
    ComponentStatistics,
    Goal,
    Iteration,
    Match,
    Rating,
    RecordingEntry,
    RunStatus,
    RunWriter,
    Store,
    StoreError,
    StoreUrlError,
    check_url,
    readers,
)
from lucy.agent.store.models import VERSION

from ..waiting import HANG

SOME = ComponentStatistics(0.5, 0.25, 0.75, 30.0, 10.0, 0.1)
OTHER = ComponentStatistics(-0.5, 0.125, 0.25, 1.0, 2.0, -0.1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lucy.db"


@pytest.fixture
def store(path: Path) -> Any:
    with Store.open(str(path)) as store:
        yield store


def start(store: Store, directory: str = "run", **options: Any) -> RunWriter:
    return store.start_run(Path(directory), config={"seed": 1}, **options)


def iterations(count: int, each: int = 10) -> list[Iteration]:
    return [
        Iteration(each * i, {"loss": i / 7}, {"touch": SOME}, 1e9 + i) for i in range(1, count + 1)
    ]


def match(first: str, second: str, score: tuple[int, int], mode: str = "1v1") -> Match:
    scorers = (0, None, 1)
    goals = tuple(Goal(20.0 * i, i < score[0], 1500.0, scorers[i % 3]) for i in range(sum(score)))
    return Match((first, second), mode, 7, 3, True, 300.0, score, goals, {"touches": (9, 4)})


def test_iterations_come_back_exactly(store: Store) -> None:
    run = start(store)
    run.add_iterations(iterations(3))
    curve = readers.read_metrics(store, run.id)
    assert list(curve) == ["steps", "time", "loss"]
    assert curve["steps"].tolist() == [10, 20, 30]
    assert curve["time"].tolist() == [1e9 + 1, 1e9 + 2, 1e9 + 3]
    assert curve["loss"].tolist() == [1 / 7, 2 / 7, 3 / 7]
    assert readers.metric_names(store, run.id) == ["loss"]


def test_metrics_and_components_may_come_and_go(store: Store) -> None:
    run = start(store)
    run.add_iterations([Iteration(1, {"a": 1.0}, {"touch": SOME})])
    run.add_iterations([Iteration(2, {"b": 2.0, "a": math.inf}, {"goal": OTHER, "touch": SOME})])
    run.add_iterations([Iteration(3, {"b": math.nan}, {})])
    curve = readers.read_metrics(store, run.id, ["b", "a", "never"])
    np.testing.assert_array_equal(curve["a"], [1.0, np.inf, np.nan])
    np.testing.assert_array_equal(curve["b"], [np.nan, 2.0, np.nan])
    assert curve["never"].isna().all()
    assert curve["time"].isna().all()

    table = readers.component_statistics(store, run.id)
    rows = {(row.steps, row.component): row[4:] for row in table.itertuples()}
    assert rows[1, "touch"] == rows[2, "touch"] == SOME
    assert rows[2, "goal"] == OTHER
    assert all(math.isnan(number) for number in (*rows[1, "goal"], *rows[3, "touch"]))


def test_a_run_without_iterations(store: Store) -> None:
    run = start(store)
    assert readers.read_metrics(store, run.id).empty
    assert readers.component_statistics(store, run.id).empty
    assert readers.list_runs(store)[0].latest == {}


@pytest.mark.parametrize(("points", "rows"), [(10, 11), (51, 51), (100, 100), (10**9, 100)])
def test_curves_are_thinned_and_keep_the_newest(store: Store, points: int, rows: int) -> None:
    run = start(store)
    run.add_iterations(iterations(100))
    steps = readers.read_metrics(store, run.id, points=points)["steps"]
    assert len(steps) == rows
    assert (steps.iloc[0], steps.iloc[-1]) == (10, 1000)
    assert readers.component_statistics(store, run.id, points)["steps"].tolist() == steps.tolist()


def test_the_list_of_runs(store: Store) -> None:
    one = start(store, "runs/one", device="cpu", versions={"lucy": "0.1"})
    one.add_iterations(iterations(2))
    other = start(store, "runs/other")
    ratings = [Rating("one", "1v1", mu, 3.0, 9, one.id, 20) for mu in (25.0, 27.0)]
    store.add_ratings([*ratings, Rating("one", "2v2", 20.0, 3.0, 9, one.id, 20)])
    store.add_ratings([Rating("chaser", "1v1", 24.0, 3.0, 9)])
    one.end(RunStatus.FINISHED)
    newest, oldest = readers.list_runs(store)
    assert (newest.id, newest.status, newest.latest) == (other.id, "running", {})
    assert (oldest.name, oldest.status, oldest.device) == ("one", "finished", "cpu")
    assert (oldest.steps, oldest.iterations, oldest.latest) == (20, 2, {"loss": 2 / 7})
    assert oldest.directory == str(Path("runs/one").resolve())
    assert {mode: rating.mu for mode, rating in oldest.ratings.items()} == {"1v1": 27, "2v2": 20}
    settings = readers.run_settings(store, one.id)
    assert (settings.config, settings.versions) == ({"seed": 1}, {"lucy": "0.1"})


def test_resuming_takes_back_what_lies_beyond(store: Store) -> None:
    old, run = start(store), start(store)
    old.add_iterations(iterations(2))
    run.add_iterations(iterations(5))
    resumed = start(store, resume_after=35)
    assert resumed.id == run.id
    resumed.add_iterations([Iteration(40, {"loss": -1.0}, {})])
    assert readers.read_metrics(store, run.id)["loss"].tolist() == [1 / 7, 2 / 7, 3 / 7, -1.0]
    assert len(readers.read_metrics(store, old.id)) == 2
    again = start(store, resume_after=0)
    again.add_iterations(iterations(1))
    assert readers.read_metrics(store, run.id)["steps"].tolist() == [10]


def test_a_new_run_in_an_old_directory_leaves_the_old_one(store: Store) -> None:
    old = start(store)
    old.add_iterations(iterations(2))
    new = start(store)
    assert [run.iterations for run in readers.list_runs(store)] == [0, 2]
    assert start(store, resume_after=0).id == new.id
    assert start(store, "elsewhere", resume_after=0).id not in (old.id, new.id)


def test_adding_an_iteration_again_changes_nothing(store: Store) -> None:
    run = start(store)
    run.add_iterations(iterations(3))
    run.add_iterations(iterations(4))
    assert readers.read_metrics(store, run.id)["steps"].tolist() == [10, 20, 30, 40]


def test_matches_and_goals(store: Store) -> None:
    first, second, third = store.add_matches(
        [match("a", "b", (2, 1)), match("b", "a", (4, 0)), match("a", "c", (0, 0), "2v2")]
    )
    assert readers.read_matches(store, ("a", "b"))["id"].tolist() == [first, second]
    assert readers.read_matches(store, ("b", "a"), "1v1")["first_goals"].tolist() == [2, 4]
    assert readers.read_matches(store, mode="2v2")["id"].tolist() == [third]
    assert readers.read_matches(store)["figures"].tolist() == [{"touches": [9, 4]}] * 3
    goals = readers.read_goals(store, ("a", "b"))
    assert goals["scorer"].tolist() == ["a", "a", "b", "b", "b", "b", "b"]
    assert goals["seconds"].tolist()[:3] == [0.0, 20.0, 40.0]
    assert goals["car"].fillna(-1).tolist()[:3] == [0, -1, 1]
    table = readers.read_pairings(store)
    assert table.to_dict("split", index=False)["data"] == [
        ["a", "b", "1v1", 2, 1, 0, 1, 2, 5],
        ["a", "c", "2v2", 1, 0, 1, 0, 0, 0],
    ]


def test_ratings_and_recordings(store: Store) -> None:
    run = start(store)
    store.add_ratings([Rating("a", mode, 25.0, 8.0, 1, run.id, 640) for mode in ("1v1", "2v2")])
    store.add_ratings([])
    ratings = readers.read_ratings(store, "2v2")
    assert ratings[["bot", "mode", "run_id", "steps"]].values.tolist() == [
        ["a", "2v2", run.id, 640]
    ]
    details = {"games": [0, 4500]}
    entry = RecordingEntry("x.npz", "match", "1v1", 4500, ("a", "b"), run.id, details)
    kept = store.add_recording(entry)
    store.add_matches([replace(match("a", "b", (1, 0)), recording=kept)])
    assert readers.read_matches(store)["recording_id"].tolist() == [kept]
    store.add_recording(RecordingEntry("y.npz", "replay", "2v2", 60, ("Zoë", "名")))
    assert readers.read_recordings(store, "replay")["names"].tolist() == [["Zoë", "名"]]
    both = readers.read_recordings(store)
    assert both["run_id"].tolist()[0] == run.id
    assert both["details"].tolist() == [details, {}]


def test_all_or_nothing(store: Store, path: Path) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.add_ratings([Rating("a", "1v1", 1.0, 1.0, 1), Rating("b", "1v1", 1.0, 1.0, 1, 99)])
    assert readers.read_ratings(store).empty


def test_several_writers_at_once(path: Path) -> None:
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            with Store.open(str(path), patience=HANG) as own:  # the first makes the tables
                run = start(own, name)
                for i in range(1, 21):
                    run.add_iterations([Iteration(i, {"a": 1.0}, {})])
                    own.add_matches([match(name, "idle", (1, 1))])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(f"run-{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with Store.open(str(path), create=False) as store:
        assert [run.steps for run in readers.list_runs(store)] == [20] * 4
        assert len(readers.read_matches(store)) == 80


def test_a_lock_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Again and again, until the other process gives it back."""
    attempts = []
    with (
        Store.open(str(path), patience=HANG) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds: float) -> None:
            attempts.append(len(readers.list_runs(store)))
            if len(attempts) == 2:
                other.execute("COMMIT")

        monkeypatch.setattr(time, "sleep", pause)
        start(store)
        assert attempts == [0, 0]
        assert len(readers.list_runs(store)) == 1


def test_a_lock_is_not_waited_for_for_ever_and_readers_do_not_mind(path: Path) -> None:
    with (
        Store.open(str(path), patience=0.1) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"lucy\.db: expected to get the .* lock.*Close"):
            start(store)
        assert readers.list_runs(store) == []


def refused(url: Path | str, **options: Any) -> str:
    with pytest.raises(StoreError) as caught:
        Store.open(str(url), patience=0.1, **options)
    assert "lucy.db" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (VERSION + 1, f"expected a store of version {VERSION}, but a newer .* Update Lucy"),
        (-1, "but an older Lucy wrote it in version -1. Read it with the Lucy that wrote it"),
    ],
)
def test_another_version(path: Path, version: int, message: str) -> None:
    Store.open(str(path)).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE lucy_schema SET version = ?", (version,))
    with pytest.raises(StoreError, match=message):
        Store.open(str(path))


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE recipes (name)")
    before = path.read_bytes()
    assert "holds something else" in refused(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_text("what is this? " * 1000)
    assert "expected an SQLite database" in refused(path)
    assert path.read_text() == "what is this? " * 1000


@pytest.mark.parametrize("kept", [0.5, 0.01])
def test_a_truncated_database(path: Path, kept: float) -> None:
    with Store.open(str(path)) as store:
        start(store).add_iterations(iterations(200))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    message = refused(path)
    assert "expected a whole database" in message or "expected an SQLite database" in message


def test_a_read_only_store_can_be_read_and_not_written(path: Path) -> None:
    with Store.open(str(path)) as store:
        start(store).add_iterations(iterations(2))
    with Store.open(f"sqlite:///file:{path.as_posix()}?mode=ro&uri=true") as store:
        assert readers.list_runs(store)[0].steps == 20
        with pytest.raises(StoreError, match=r"expected a database that can be written.*writable"):
            start(store)


@pytest.mark.skipif(os.name != "posix", reason="has no such folders")
def test_a_read_only_folder(path: Path) -> None:
    path.parent.chmod(0o500)
    if os.geteuid() == 0:  # whom nothing stops but in the kernel's own folder
        path = Path("/proc/lucy.db")
    assert "expected" in refused(path)


def test_a_store_that_is_not_there(path: Path) -> None:
    assert "there is no such file" in refused(path, create=False)
    assert not path.exists()
    path.touch()
    assert "the database is empty" in refused(path, create=False)


def test_a_folder_that_is_not_there(path: Path) -> None:
    assert "a folder that exists" in refused(path.parent / "no" / "lucy.db")


def test_no_such_run(store: Store) -> None:
    with pytest.raises(StoreError, match=r"lucy\.db: expected a run with the number 5, .* 0 runs"):
        readers.read_metrics(store, 5)


def test_a_run_that_was_deleted(store: Store, path: Path) -> None:
    run = start(store)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM runs")
    with pytest.raises(StoreError, match="No row was found"):
        run.add_iterations(iterations(1))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://lucy.db", "three slashes"),
        ("sqlite://", "expected a store such as"),
        ("", "expected a store such as"),
        ("oracel://user:secret@host/lucy", r"oracel://user:\*\*\*@host/lucy"),
        ("postgresql://user:sec:ret@host:port/lucy", r"postgresql://\*\*\*@host:port/lucy"),
        ("postgresql+pg8000://user:secret@host/lucy", r"driver 'pg8000'.*lucy-skg\[postgresql\]"),
    ],
)
def test_urls_that_never_can_be_a_store(url: str, message: str) -> None:
    with pytest.raises(StoreUrlError, match=message) as caught:
        check_url(url)
    assert "sec" not in str(caught.value)


def test_neither_torch_nor_pandas_to_write() -> None:
    code = (
        "import sys, lucy.agent.store as s; assert not {'torch', 'pandas'} & set(sys.modules);"
        "import lucy.agent.store.readers; assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
