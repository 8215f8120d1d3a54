"""A training in the store: every iteration, how it ended, and what a broken store costs."""

import io
import json
import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stable_baselines3.common.logger import Logger

from lucy.agent import store_writer
from lucy.agent.metrics import open_logger, read_metrics
from lucy.agent.progress import Interruption
from lucy.agent.run_dir import RunDirectory
from lucy.agent.store import ComponentStatistics, RunStatus, Store, readers
from lucy.agent.store_writer import StoreWriter, iteration, stored
from lucy.agent.train import start_settings, train

from .conftest import tiny_config


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lucy.db"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "_PATIENCE", 0.05)
    monkeypatch.setattr(store_writer, "_SECONDS_BETWEEN_ATTEMPTS", 0.0)


class Training:
    """The logging of a training, without the training."""

    def __init__(self, path: Path, store: Path, steps: int = 0, resume: bool = False) -> None:
        self.output = io.StringIO()
        run = RunDirectory(path, resume=resume)
        path.mkdir(exist_ok=True)
        self.logger: Logger = open_logger(run, steps)
        about: dict[str, Any] = {"config": {}, "device": "cpu", "versions": {}}
        console = Console(file=self.output, width=500)
        self.writer = StoreWriter(str(store), run, steps, console, **about)
        self.logger.output_formats.append(self.writer)

    def log(self, steps: int, value: float = 0.0) -> None:
        self.logger.record("value", value)
        self.logger.record("reward/touch", value)
        self.logger.dump(steps)

    def end(self) -> str:
        self.logger.close()
        self.writer.end(RunStatus.FINISHED)
        return self.output.getvalue()


def curve(path: Path) -> dict[int, float]:
    """The values that the newest run of a store has, by steps."""
    with Store.open(str(path), create=False) as store:
        run = readers.list_runs(store)[0]
        table = readers.read_metrics(store, run.id)
    return dict(zip(table["steps"].tolist(), table["value"].tolist(), strict=True))


def test_a_training_writes_what_it_logs(tmp_path: Path, path: Path) -> None:
    run = tmp_path / "run"
    train(tiny_config(), run, store=str(path))
    lines = read_metrics(run / "metrics.jsonl")
    with Store.open(str(path), create=False) as store:
        (summary,) = readers.list_runs(store)
        settings = readers.run_settings(store, summary.id)
        metrics = readers.read_metrics(store, summary.id)
        components = readers.component_statistics(store, summary.id)
    assert (summary.status, summary.device, summary.steps) == ("finished", "cpu", 192)
    assert settings.config == json.loads((run / "config.json").read_text("utf-8"))
    assert settings.versions["lucy"]
    for name in ("train/loss", "game/speed", "time/overall_steps_per_second", "reward/total"):
        assert metrics[name].tolist() == [line[name] for line in lines]
    name = components["component"].iloc[0]
    paid = components[components["component"] == name]
    assert paid["mean"].tolist() == [line[f"reward/{name}"] for line in lines]
    assert not components.isna().any(axis=None)
    assert paid["share"].tolist() == [line[f"reward_share/{name}"] for line in lines]
    shares = components.groupby("steps")["share"].sum()
    assert shares.tolist() == pytest.approx([1.0] * 3)


def test_a_resumed_training_goes_on_in_its_run(
    trained_run: Path, tmp_path: Path, path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)  # trained without a store, which is filled in
    config = start_settings(run, "", {"steps": 256}, resume=True)
    train(config, run, resume=True, store=str(path))
    train(start_settings(run, "", {"steps": 320}, resume=True), run, resume=True, store=str(path))
    with Store.open(str(path), create=False) as store:
        (summary,) = readers.list_runs(store)
        table = readers.read_metrics(store, summary.id)
    assert table["steps"].tolist() == [64, 128, 192, 256, 320]
    assert table["time"].isna().tolist() == [True, True, True, False, False]


def test_resuming_takes_back_what_the_checkpoint_has_not(tmp_path: Path, path: Path) -> None:
    killed = Training(tmp_path / "run", path)
    for steps in (10, 20, 30):
        killed.log(steps, 1.0)
    killed.end()
    resumed = Training(tmp_path / "run", path, 20, resume=True)
    assert curve(path) == {10: 1.0, 20: 1.0}
    resumed.log(30, 2.0)
    resumed.end()
    assert curve(path) == {10: 1.0, 20: 1.0, 30: 2.0}


def test_a_locked_store_costs_one_warning_and_is_caught_up(tmp_path: Path, path: Path) -> None:
    training = Training(tmp_path / "run", path)
    training.log(10, 1.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        training.log(20, 2.0)
        training.log(30, math.nan)
    training.log(40, 4.0)
    output = training.end()
    assert output.count("Training goes on without its store.") == 1
    assert "database is locked" in output
    assert "lacks" not in output
    values = curve(path)
    assert list(values) == [10, 20, 30, 40]
    assert math.isnan(values.pop(30))
    assert values == {10: 1.0, 20: 2.0, 40: 4.0}


def test_a_store_that_stays_broken_is_named_at_the_end(tmp_path: Path, path: Path) -> None:
    path.write_text("no database" * 100)
    training = Training(tmp_path / "run", path)
    for steps in (10, 20):
        training.log(steps, 1.0)
    output = training.end()
    assert output.count("Training goes on without its store.") == 1
    assert "The store lacks the newest iterations of this run: metrics.jsonl has them" in output
    path.unlink()
    Training(tmp_path / "run", path, 20, resume=True).end()
    assert curve(path) == {10: 1.0, 20: 1.0}


def test_a_full_disk(tmp_path: Path, path: Path) -> None:
    training = Training(tmp_path / "run", path)
    training.log(10, 1.0)
    store = training.writer._store
    assert store is not None

    def full(connection: Any) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    store.database.write(full)  # of this connection, until it is opened anew
    for steps in range(20, 1000, 10):
        training.log(steps, 1.0)
    output = training.end()
    assert "expected space for the database" in output
    assert "lacks" not in output
    assert list(curve(path)) == list(range(10, 1000, 10))


def test_a_run_that_someone_deletes_comes_back(tmp_path: Path, path: Path) -> None:
    training = Training(tmp_path / "run", path)
    training.log(10, 1.0)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM iterations")
        other.execute("DELETE FROM runs")
    training.log(20, 2.0)
    training.log(30, 3.0)
    training.end()
    assert curve(path) == {10: 1.0, 20: 2.0, 30: 3.0}


@pytest.mark.parametrize(
    ("error", "by_user", "status"),
    [
        (None, False, "finished"),
        (None, True, "interrupted"),
        (KeyboardInterrupt, False, "interrupted"),
        (ValueError, False, "failed"),
    ],
)
def test_how_it_ended(
    error: type[BaseException] | None, by_user: bool, status: str, tmp_path: Path, path: Path
) -> None:
    training = Training(tmp_path / "run", path)
    interruption = Interruption()
    interruption.by_user = by_user
    try:
        with stored(training.writer, interruption):
            training.logger.close()
            if error is not None:
                raise error
    except (KeyboardInterrupt, ValueError):
        pass
    with Store.open(str(path), create=False) as store:
        assert readers.list_runs(store)[0].status == status


def test_components_are_set_apart() -> None:
    logged = {
        "reward/a": 1.0,
        "reward_share/a": 0.5,
        "reward_spread/a": None,
        "reward_positive/a": 3,
        "reward_negative/a": 4,
        "reward_value/a": 5.0,
        "reward/b/c": 2.0,
        "reward/total": 3.0,
        "reward_spread/total": 1.0,
        "time/total_timesteps": 640,
    }
    made = iteration(640, logged, None)
    assert made.metrics == {"reward/total": 3.0, "reward_spread/total": 1.0}
    a = made.components["a"]
    assert (a.mean, a.share, a.positive, a.negative, a.value) == (1.0, 0.5, 3.0, 4.0, 5.0)
    assert math.isnan(a.spread)
    assert isinstance(made.components["b/c"], ComponentStatistics)
