"""Ratings beside a training: what they leave behind, and that nothing they do harms it."""

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stable_baselines3.common.logger import Logger

from lucy.agent import rating_process, training_rating
from lucy.agent.metrics import read_metrics
from lucy.agent.rating_process import (
    ABANDONED,
    PlayedPairing,
    RatingJob,
    as_json,
    rate_checkpoint,
)
from lucy.agent.run_dir import RunDirectory
from lucy.agent.store import Rating, Store, readers
from lucy.agent.train import train
from lucy.agent.training_rating import TrainingRating
from lucy.sim.processors import usable_processors

from ..waiting import HANG, wait_until
from .conftest import tiny_config
from .test_cli import SETTINGS, lucy

RATED = {"rating__every": 1, "rating__games": 2, "rating__anchors": ["chaser"], "rating__past": 1}
CHECKPOINT = "step-000000000192"


@pytest.fixture(autouse=True)
def short_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_rating, "GAME_SECONDS", 1.0)


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    path = tmp_path / "run"
    shutil.copytree(trained_run, path)
    return path


class Rater:
    """The rating of a training, without the training."""

    def __init__(self, run: Path, steps: int = 192) -> None:
        self.output = io.StringIO()
        self.rating = TrainingRating(
            tiny_config(**RATED),
            RunDirectory(run, resume=True),
            steps,
            Console(file=self.output, width=500),
            store=None,
        )
        self.logger = Logger(None, [])
        self.saved = run / "checkpoints" / CHECKPOINT

    def start(self) -> "subprocess.Popen[bytes]":
        self.rating.start(self.saved, 192)
        process = self.rating._process
        assert process is not None
        return process


def job(run: Path, **changes: Any) -> RatingJob:
    settings: dict[str, Any] = {
        "folder": str(run / "checkpoints"),
        "checkpoint": CHECKPOINT,
        "steps": 192,
        "past": [],
        "anchors": ["chaser", "random"],
        "modes": ["1v1"],
        "games": 2,
        "seconds": 1.0,
        "seed": 0,
        "history": [],
        "store": None,
        "run": None,
        "result": str(run / "result.json"),
    }
    return RatingJob(**settings | changes)


def test_a_training_logs_the_ratings_of_its_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = TrainingRating.record

    def record_in_time(self: TrainingRating, logger: Logger) -> None:
        if self._process is not None:
            self._process.wait()
        record(self, logger)

    monkeypatch.setattr(TrainingRating, "record", record_in_time)
    run, store, output = tmp_path / "run", str(tmp_path / "lucy.db"), io.StringIO()
    config = tiny_config(checkpoints__keep_newest=1, checkpoints__keep_every=0, **RATED)
    train(config, run, store=store, console=Console(file=output, width=500))
    lines = read_metrics(run / "metrics.jsonl")
    assert [line.get("rating_steps/1v1") for line in lines] == [None, 64, 128]
    assert "Rating at 64 steps, 1v1: " in output.getvalue()
    assert "The rating of the checkpoint at 192 steps was not done" in output.getvalue()
    # The newest, and the one that the next rating would play
    kept = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert kept == ["step-000000000128", CHECKPOINT]
    with Store.open(store, create=False) as opened:
        ratings = readers.read_ratings(opened, "1v1")
        (summary,) = readers.list_runs(opened)
        matches = readers.read_matches(opened)
        metrics = readers.read_metrics(opened, summary.id)
    assert ratings["mu"].tolist() == [line["rating/1v1"] for line in lines[1:]]
    assert ratings["sigma"].tolist() == [line["rating_sigma/1v1"] for line in lines[1:]]
    assert ratings["steps"].tolist() == [64, 128]
    assert ratings["games"].tolist() == [2, 4]
    assert summary.ratings["1v1"].steps == 128
    assert metrics["rating/1v1"].tolist()[1:] == ratings["mu"].tolist()
    own = [str(run / "checkpoints" / f"step-{steps:012d}") for steps in (64, 128)]
    pairs = matches[["first", "second"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [[own[0], "chaser"], [own[1], own[0]], [own[1], "chaser"]]


def test_a_process_that_fails_costs_a_warning_and_the_next_one_rates(run: Path) -> None:
    rater = Rater(run)
    rater.saved = run / "checkpoints" / "step-000000000001"  # there is none
    assert rater.start().wait() == 1
    rater.rating.record(rater.logger)
    log = run / "rating" / "process.log"
    assert f"at 192 steps failed (exit code 1; {log} says why)" in rater.output.getvalue()
    assert "unknown bot" in log.read_text("utf-8")
    assert not rater.logger.name_to_value

    rater.saved = run / "checkpoints" / CHECKPOINT
    rater.start().kill()
    assert rater.rating._process
    assert rater.rating._process.wait() != 0
    rater.rating.record(rater.logger)
    assert rater.output.getvalue().count("Training goes on.") == 2

    assert rater.start().wait() == 0
    rater.rating.record(rater.logger)
    assert rater.logger.name_to_value["rating_steps/1v1"] == 192
    assert rater.output.getvalue().count("Training goes on.") == 2


def test_one_is_rated_at_a_time_and_only_when_it_is_its_turn(run: Path) -> None:
    rater = Rater(run)
    process = rater.start()
    rater.rating.start(rater.saved, 256)
    assert rater.rating._process is process
    assert rater.rating.needed == {CHECKPOINT}
    rater.rating.close()
    assert process.poll() is not None
    assert rater.rating.needed == set()
    rater.rating.close()

    off = TrainingRating(
        tiny_config(), RunDirectory(run, resume=True), 192, Console(quiet=True), store=None
    )
    off.start(rater.saved, 192)
    assert off._process is None


def test_resuming_takes_back_games_and_ratings(run: Path, tmp_path: Path) -> None:
    folder = run / "rating"
    folder.mkdir()
    played = [
        PlayedPairing(steps, f"step-{steps:012d}", "chaser", "1v1", [[1, 0]])
        for steps in (64, 128, 192)
    ]
    lines = [json.dumps(pairing._asdict()) + "\n" for pairing in played]
    (folder / "games.jsonl").write_text("".join(lines), "utf-8")
    rater = Rater(run, steps=128)
    assert rater.rating._played == played[:2]
    assert (folder / "games.jsonl").read_text("utf-8") == "".join(lines[:2])
    assert rater.rating.needed == {"step-000000000128"}
    with Store.open(str(tmp_path / "lucy.db")) as store:
        number = store.start_run(run, config={}).id
        store.add_ratings(Rating("x", "1v1", 1.0, 1.0, 1, number, steps) for steps in (128, 192))
        store.start_run(run, config={}, resume_after=128)
        assert readers.read_ratings(store)["steps"].tolist() == [128]


@pytest.mark.skipif(sys.platform != "linux", reason="has the idle policy by another name")
def test_the_process_runs_when_a_core_is_idle() -> None:
    command = [sys.executable, "-m", "lucy.agent.rating_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:

        def idle() -> bool:
            assert process.poll() is None
            return os.sched_getscheduler(process.pid) == os.SCHED_IDLE

        wait_until(idle, "the process runs when a core is idle")
        assert process.stdin
        process.stdin.close()  # without a job
        assert process.wait(HANG) == 0


@pytest.mark.parametrize(("cores", "seconds"), [(2, 100.0), (10, 20.0), (20, 10.0), (64, 10.0)])
def test_play_takes_a_twentieth_of_all_cores(
    cores: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, slept = 0.0, 0.0

    def sleep(pause: float) -> None:
        nonlocal slept
        slept += pause

    monkeypatch.setattr(time, "process_time", lambda: played)
    monkeypatch.setattr(time, "sleep", sleep)
    pause = rating_process._pauses(cores)
    for _ in range(100):  # 10 s of play
        played += 0.1
        pause()
    assert slept + played == pytest.approx(seconds, abs=0.1 * seconds)


def test_ratings_pause_while_they_play(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(rating_process, "_pauses", lambda cores: lambda: steps.append(cores))
    rate_checkpoint(job(run))
    assert len(steps) >= 2 * 15  # steps of one second against each anchor
    assert steps[0] == usable_processors()


def test_the_process_ends_with_its_training(run: Path) -> None:
    command = [sys.executable, "-m", "lucy.agent.rating_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(as_json(job(run, games=1000, seconds=300.0)).encode())
        process.stdin.close()  # as when the training is killed
        assert process.wait(HANG) == ABANDONED
    assert not (run / "result.json").exists()


def test_a_rating_rests_on_the_history_and_every_mode_has_its_own(run: Path) -> None:
    def rated(*history: PlayedPairing) -> dict[str, Any]:
        return rate_checkpoint(job(run, modes=["1v1", "2v2"], history=list(history)))

    alone = rated()
    assert {tuple(pairing[1:4]) for pairing in alone["pairings"]} == {
        (CHECKPOINT, anchor, mode) for anchor in ("chaser", "random") for mode in ("1v1", "2v2")
    }
    assert all(len(pairing.goals) == 2 for pairing in alone["pairings"])
    beaten = [[0, 1]] * 20
    with_history = rated(PlayedPairing(64, "step-000000000064", "random", "1v1", beaten))
    assert with_history["ratings"]["2v2"] == alone["ratings"]["2v2"]
    # What random won then makes it stronger, and so who holds it to a draw
    assert with_history["ratings"]["1v1"][0] > alone["ratings"]["1v1"][0]


def test_a_store_that_fails_is_named_in_the_result(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "lucy.db"
    with closing(sqlite3.connect(store)) as other:
        other.execute("CREATE TABLE something (else_ int)")
    result = rate_checkpoint(job(run, store=str(store), anchors=["idle"]))
    assert "holds something else" in result["error"]
    assert result["ratings"]["1v1"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["rating.every=1", 'rating.anchors=["nobody"]'], "unknown bot 'nobody'"),
        (["rating.every=1", "rating.anchors=[]"], "rating.anchors is empty: name a bot"),
        (["rating.every=-1"], "rating.every"),
    ],
)
def test_bad_settings_are_one_error_before_anything_is_trained(
    settings: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--preset", "lucy-cpu", "--run-dir", str(tmp_path / "run"), *SETTINGS]
    status, _, err = lucy(capsys, *command, *(f"--set={setting}" for setting in settings))
    assert status == 1
    assert err.startswith("lucy: ")
    assert message in err
    assert not (tmp_path / "run").exists()
