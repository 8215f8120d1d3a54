"""Ablations are trained once, go on after a stop, and are told as they went."""

import functools
import itertools
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

import lucy.agent.train as train_module
from lucy.agent import ablation, ablation_report
from lucy.agent.ablation import Ablation, AblationError, AblationRun, compare, train_all
from lucy.agent.ablation_figure import curves_figure
from lucy.agent.ablation_report import Outcome, bootstrap, estimates, markdown, read_curve, rows
from lucy.agent.config import ConfigError
from lucy.agent.metrics import STEP, read_metrics
from lucy.agent.store import Store, readers

from .conftest import TINY
from .test_cli import SETTINGS, lucy

PRESETS = ("ablation-base", "ablation-sr")
QUIET = Console(quiet=True)
CPU = torch.device("cpu")
SEGMENT = {"auxiliary.segment": 4}  # as short as the rollouts of a tiny training


def tiny(directory: Path, **changes: Any) -> list[AblationRun]:
    named = {"steps": 128} | changes
    settings = {key: value for key, value in TINY.items() if key != "steps"} | SEGMENT
    return Ablation(PRESETS, 2, directory, named.pop("steps"), None, settings | named).runs


def logged(run: AblationRun) -> list[int]:
    return [int(line[STEP] or 0) for line in read_metrics(run.directory / "metrics.jsonl")]


@pytest.fixture(autouse=True)
def short_games(monkeypatch: pytest.MonkeyPatch) -> None:
    short = functools.partial(ablation.play_with_progress, seconds=4.0)
    monkeypatch.setattr(ablation, "play_with_progress", short)


def test_the_command_from_nothing_to_a_report_and_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-chrome"))
    directory, figures = tmp_path / "runs", tmp_path / "figures.json"
    command = ["ablate", *PRESETS, "--seeds", "2", "--run-dir", str(directory), "--games", "2"]
    command += [*SETTINGS, "--set=auxiliary.segment=4", "--device=cpu", f"--json={figures}"]

    status, out, err = lucy(capsys, *command, "--steps", "128")
    assert (status, err) == (0, "")
    assert "0 of 4 runs are finished." in out
    assert "touches a car and minute" in out
    assert "a PNG is drawn by Chrome or Chromium" in out
    page = (directory / "report.md").read_text("utf-8")
    assert "|  | ablation-base | ablation-sr |\n| --- | --- | --- |\n| seeds | 2 | 2 |" in page
    assert "![Learning curves](curves.html)" in page
    data = json.loads(figures.read_text("utf-8"))
    assert [preset["preset"] for preset in data["presets"]] == list(PRESETS)
    assert all(len(p["figures"]["entropy"]["by_seed"]) == 2 for p in data["presets"])
    with Store.open(str(directory / "lucy.db"), create=False) as store:
        names = [run.name for run in readers.list_runs(store)]
        assert len(readers.read_matches(store)) == 4 * 2 * 2
    assert sorted(names) == [f"{preset}-seed{seed}" for preset in PRESETS for seed in (0, 1)]

    monkeypatch.setattr(ablation, "train", None)  # nothing is left to do
    status, out, _ = lucy(capsys, *command, "--steps", "128")
    assert status == 0
    assert "ablation-sr-seed1: 128 of 128 steps, finished." in out
    assert "4 of 4 runs are finished." in out
    assert json.loads(figures.read_text("utf-8")) == data
    with Store.open(str(directory / "lucy.db"), create=False) as store:
        assert len(readers.read_matches(store)) == 4 * 2 * 2  # none played again
    monkeypatch.undo()

    status, out, err = lucy(capsys, *command, "--steps", "192", "--report")
    assert status == 1
    assert "none of the 4 runs has its 192 steps: leave --report out to train them" in err


def test_more_steps_continue_and_fewer_are_cut(tmp_path: Path) -> None:
    assert train_all(tiny(tmp_path), CPU, QUIET, None)
    longer = tiny(tmp_path, steps=192)
    assert train_all(longer, CPU, QUIET, None)
    for run in longer:
        assert run.steps == 192
        assert logged(run) == [64, 128, 192]
        assert read_curve(run.directory, 65)["steps"].tolist() == [64, 128]
    store = str(tmp_path / "lucy.db")
    kept = longer[0].directory / "games.json"
    compare(tiny(tmp_path, steps=128), 1, tmp_path, QUIET, store)
    assert not kept.exists()  # the checkpoint has seen more
    compare(longer, 1, tmp_path, QUIET, store)
    assert json.loads(kept.read_text("utf-8"))["steps"] == 192


def test_interrupted_it_keeps_whole_comparisons_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tiny(tmp_path)
    names = [run.directory.name for run in runs]
    assert names == [f"{preset}-seed{seed}" for seed in (0, 1) for preset in PRESETS]
    saves = itertools.count(1)
    save = train_module.save

    def save_and_interrupt(*arguments: Any) -> Path:
        path = save(*arguments)
        if next(saves) == 5:  # the first of the third run
            signal.raise_signal(signal.SIGINT)
        return path

    monkeypatch.setattr(train_module, "save", save_and_interrupt)
    assert not train_all(runs, CPU, QUIET, None)
    assert [run.steps for run in runs] == [128, 128, 64, 0]
    data = compare(runs, 1, tmp_path, QUIET, str(tmp_path / "lucy.db"))
    assert [preset["seeds"] for preset in data["presets"]] == [[0], [0]]
    assert train_all(runs, CPU, QUIET, None)
    assert [logged(run) for run in runs] == [[64, 128]] * 4


def test_runs_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    first = tiny(tmp_path)[0]
    train_all([first], CPU, QUIET, None)
    allowed = {"learner.precision": "bf16", "environment.processes": 2, "steps": 256}
    tiny(tmp_path, **allowed)[0].check()
    with pytest.raises(
        ConfigError, match=r"base-seed0: was trained with ppo.gamma = 0.99, and 0.9 is asked for"
    ):
        tiny(tmp_path, **{"ppo.gamma": 0.9})[0].check()


def test_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(AblationError, match=r"none of the 4 runs has its 128 steps"):
        compare(tiny(tmp_path), 1, tmp_path, QUIET, str(tmp_path / "lucy.db"))


def test_the_bootstrap() -> None:
    assert bootstrap([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)  # 1 of 27 draws is thrice the least
    mean, low, high = bootstrap([4.0])
    assert mean == 4.0
    assert np.isnan([low, high]).all()
    assert bootstrap([1.0, float("nan"), 1.0]) == (1.0, 1.0, 1.0)
    assert np.isnan(bootstrap([float("nan")])).all()
    values = np.random.default_rng(1).normal(5, 2, 400)
    mean, low, high = bootstrap(values.tolist())
    error = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((mean - error, mean + error), abs=0.02)


def outcome(preset: str, seed: int, touches: list[float], goals: tuple[int, int]) -> Outcome:
    curve = {
        "steps": np.array([100.0, 200.0, 400.0]),
        "game/touches_per_minute": np.array(touches),
        "game/goals_per_minute": np.ones(3),
        "train/explained_variance": np.array([0.0, 0.3, 0.6]),
        "entropy": np.array([3.0, 2.0, 1.0]),
        "time/overall_steps_per_second": np.array([10.0, 1000.0, 900.0]),
    }
    return Outcome(preset, seed, curve, {"random": {"goals": goals}, "chaser": {"goals": (0, 0)}})


OUTCOMES = [
    outcome("a", 0, [0.0, 2.0, 4.0], (9, 1)),
    outcome("a", 1, [0.0, 4.0, 8.0], (8, 2)),
    outcome("b", 0, [1.0, 1.0, 1.0], (1, 1)),
]


def test_figures_of_a_run() -> None:
    figures = OUTCOMES[0].figures
    assert figures["touches"] == 2.0
    assert figures["touches_mean"] == (0 * 100 + 2 * 100 + 4 * 200) / 400
    assert figures["share_random"] == 0.9
    assert np.isnan(figures["share_chaser"])
    assert figures["entropy"] == 2.0
    assert figures["steps_per_second"] == 900.0


def test_the_table_says_what_is_known() -> None:
    lines = rows(OUTCOMES, estimates(OUTCOMES))
    assert lines[0] == ["seeds", "2", "1"]
    assert lines[1] == ["touches a car and minute", "3.0 [2.0, 4.0]", "1.0"]
    assert lines[3] == ["goals against random, %", "85.0 [80.0, 90.0]", "50.0"]
    assert lines[4] == ["goals against chaser, %", "?", "?"]
    assert markdown("ab", lines).splitlines()[:3] == [
        "|  | a | b |",
        "| --- | --- | --- |",
        "| seeds | 2 | 1 |",
    ]
    data = ablation_report.to_json(OUTCOMES, estimates(OUTCOMES))
    assert data[0]["figures"]["share_chaser"] == {
        **{"mean": None, "low": None, "high": None},
        "by_seed": [None, None],
    }
    json.dumps(data, allow_nan=False)


def test_curves_have_a_line_each_and_a_band_around_several_seeds() -> None:
    figure = curves_figure(OUTCOMES, "title")
    assert len(figure.data) == 4 * 3  # panels; a's band and line, b's line
    band, line = figure.data[:2]
    assert [trace.name for trace in figure.data] == ["a"] * 8 + ["b"] * 4
    assert list(line.x) == [100, 200, 400]
    assert list(line.y) == [0, 3, 6]
    assert list(band.y) == [0, 4, 8, 4, 2, 0]
    assert [trace.showlegend for trace in figure.data].count(True) == 2
