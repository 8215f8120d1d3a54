"""The demo trains by steps, says what came of it, and goes on after anything."""

import io
import itertools
import os
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from safetensors.torch import load_file

from lucy.agent import checkpoint, demo, match_report
from lucy.agent.config import load_preset
from lucy.agent.demo import run_demo
from lucy.agent.demo_verdict import has_learnt, table, verdict
from lucy.agent.errors import LucyError
from lucy.agent.match import MatchResult
from lucy.agent.messages import LiteralConsole
from lucy.agent.train import train

from .conftest import TINY

ITERATION = 64  # agent-steps
STEPS = 4 * ITERATION


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of a tiny network and short games."""
    played = match_report.play_with_progress
    monkeypatch.setattr(
        demo, "load_preset", lambda name, changes: load_preset(name, TINY | changes)
    )
    monkeypatch.setattr(demo, "STEPS", STEPS)
    monkeypatch.setattr(demo, "GAMES", 2)
    monkeypatch.setattr(
        match_report, "play_with_progress", lambda *given, **more: played(*given, **more, seconds=2)
    )


def said_by(run: Path, steps: int | None = None) -> str:
    """What a demo prints."""
    out = io.StringIO()
    run_demo(run, steps, LiteralConsole(file=out, width=200))
    return out.getvalue()


def steps_of(run: Path) -> int:
    newest = checkpoint.newest(run / "checkpoints")
    return 0 if newest is None else int(newest.name.removeprefix("step-"))


def played(touches: float, goals: tuple[int, int], games: int = 12) -> MatchResult:
    """Games of five minutes with as many touches a minute; all goals fall in the first."""
    figures = {"touches": np.zeros((games, 2)), "goals": np.zeros((games, 2), np.int64)}
    figures["touches"][:, 0] = touches * 5
    figures["goals"][0] = goals
    return MatchResult(("lucy", "random"), "1v1", np.full(games, 300.0), figures, cars=1)


@pytest.mark.parametrize(
    ("before", "after", "learnt"),
    [
        (0.1, 7.4, True),
        (0.0, 1.0, True),
        (0.0, 0.99, False),  # less than one more
        (0.5, 1.5, True),
        (0.5, 1.49, False),
        (2.0, 6.0, True),
        (2.0, 5.9, False),  # less than three times
        (0.1, 0.4, False),
        (3.0, 1.0, False),
        (0.0, 0.0, False),
    ],
)
def test_learning_is_three_times_and_one_more(before: float, after: float, learnt: bool) -> None:
    assert has_learnt(before, after) is learnt
    assert ("too little to call it learning" in verdict(before, after)) is not learnt


def test_the_verdict_is_a_sentence() -> None:
    assert verdict(0.1, 7.4) == "Touches went from 0.1 to 7.4 per minute."
    assert verdict(0.068, 7.92) == "Touches went from 0.07 to 7.9 per minute."
    assert verdict(0.0, 12.0) == "Touches went from 0.0 to 12.0 per minute."
    assert verdict(0.07, 0.07).startswith("Touches stayed at 0.07 per minute. That is too little")
    assert verdict(3.0, 1.0).startswith("Touches went from 3.0 to 1.0 per minute. That is too")


def test_the_table_is_better_where_the_agent_is() -> None:
    rows = table(played(0.07, (4, 0)), played(5.5, (24, 6)), 1_990_656)
    assert list(rows[0]) == [
        "12 games of 1v1 against random keys",
        "untrained",
        "after 1,990,656 steps",
    ]
    assert [tuple(row.values()) for row in rows] == [
        ("touches per minute", "0.07", "5.5"),
        ("goals scored : conceded", "4 : 0", "24 : 6"),
        ("goal difference per game", "+0.3", "+1.5"),
        ("games won, drawn, lost", "1, 11, 0", "1, 11, 0"),
    ]
    ahead = table(played(0, (0, 30)), played(0, (1, 1)), 64)[2]
    assert tuple(ahead.values()) == ("goal difference per game", "-2.5", "0.0")


def test_the_time_left_is_told_once_from_the_second_and_third_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[float] = []
    estimate = demo._Estimate(1000, told.append)
    # An iteration of 100 steps takes 5 s, the first 60
    for steps, now in ((0, 0.0), (100, 60.0), (200, 65.0), (300, 70.0), (400, 75.0)):
        monkeypatch.setattr(time, "perf_counter", lambda now=now: now)
        estimate.num_timesteps = steps
        estimate._on_rollout_start()
    assert told == [pytest.approx(700 / 100 * 5)]


def test_a_demo_trains_by_steps_whatever_the_clock_says(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load_preset("lucy-cpu", TINY | {"steps": STEPS, "seed": demo.SEED})
    train(plain, tmp_path / "plain")
    hours = itertools.count(0.0, 3600.0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(hours))
    said = said_by(tmp_path / "demo")
    weights = [
        load_file(tmp_path / run / "checkpoints" / f"step-{STEPS:012d}" / checkpoint.POLICY)
        for run in ("plain", "demo")
    ]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert f"Training lucy-cpu (1v1) for {STEPS:,} steps." in said
    assert "hours on this machine, with about" in said


def test_a_demo_and_another_in_the_same_folder(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "my runs" / "a [b] 'c'"
    again = f"Go on with: {shlex.join(['lucy', 'demo', '--run-dir', str(run)])}\n"
    said = said_by(run)
    assert steps_of(run) == STEPS
    assert "on this machine, with" in said
    assert f"untrained ┃ after {STEPS} steps" in said
    assert "too little to call it learning" in said
    assert said.endswith(f"{run / 'report.html'}\n{(run / 'report.html').as_uri()}\n{again}")
    page = (run / "report.html").read_text("utf-8")
    assert f"after {STEPS} steps</th>" in page
    assert "too little to call it learning" in page
    assert (run.parent / "lucy.db").exists()  # what lucy dashboard shows

    said = said_by(run)  # as much again
    assert steps_of(run) == 2 * STEPS
    assert f"for {STEPS} steps" in said
    assert f"untrained ┃ after {2 * STEPS} steps" in said

    monkeypatch.setattr(demo, "has_learnt", lambda before, after: True)
    said = said_by(run, steps=ITERATION)
    assert steps_of(run) == 2 * STEPS + ITERATION
    more = ["lucy", "train", "--resume", "--run-dir", str(run), "--steps"]
    assert said.endswith(f"Go on with: {shlex.join(more)} {5 * (2 * STEPS + ITERATION)}\n")


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("stage", "kept"),
    [("warm_up", 0), ("_play", 0), ("write_report", STEPS), ("train", 2 * ITERATION)],
)
def test_an_interrupted_demo_says_how_it_goes_on_and_does(
    small: None, tmp_path: Path, stage: str, kept: int
) -> None:
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        if stage == "train":
            patch.setattr(demo._Estimate, "_on_step", ctrl_c_after(kept))
        else:
            patch.setattr(demo, stage, interrupt)
        said = said_by(run)
    assert said.endswith(
        f"Stopped; {kept} steps of training are kept.\n"
        f"Go on with: {shlex.join(['lucy', 'demo', '--run-dir', str(run)])}\n"
    )
    assert not (run / "report.html").exists()
    said = said_by(run)
    assert steps_of(run) == STEPS  # a training that was finished has not gone on
    assert ("Training lucy-cpu" in said) is (kept < STEPS)
    assert (run / "report.html").exists()


def ctrl_c_after(steps: int) -> Any:
    """A callback's step that presses Ctrl-C beyond so many steps."""

    def on_step(estimate: Any) -> bool:
        if estimate.num_timesteps == steps + 8:
            os.kill(os.getpid(), signal.SIGINT)
        return True

    return on_step


def test_an_interrupted_demo_of_a_users_own_length_goes_on_to_its_end(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo._Estimate, "_on_step", ctrl_c_after(ITERATION))
    said = said_by(tmp_path / "run", steps=3 * ITERATION)
    assert said.endswith(f"--run-dir {tmp_path / 'run'} --steps {2 * ITERATION}\n")


def test_a_run_that_cannot_be_gone_on_with_is_refused_at_once(
    small: None, tmp_path: Path, trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "warm_up", interrupt)  # nothing is waited for in vain
    broken = tmp_path / "broken" / "checkpoints" / "step-000000000064"
    broken.mkdir(parents=True)
    (broken / "checkpoint.json").write_text("{")
    with pytest.raises(LucyError, match=r"broken: expected a whole .* all 1 in it .*--run-dir$"):
        run_demo(tmp_path / "broken", None, Console(quiet=True))
    with pytest.raises(LucyError, match=r"other settings: .*lucy train --resume --run-dir"):
        run_demo(trained_run, None, Console(quiet=True))  # of another seed
    (tmp_path / "file").touch()
    with pytest.raises(LucyError, match=r"file: expected a writable run directory"):
        run_demo(tmp_path / "file", None, Console(quiet=True))


def test_a_report_that_cannot_be_written_is_one_line(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(demo, "write_report", full)
        with pytest.raises(LucyError, match=r"report\.html: .*No space left.* lucy demo --run-dir"):
            run_demo(tmp_path / "run", None, Console(quiet=True))
    assert "Training" not in said_by(tmp_path / "run")
