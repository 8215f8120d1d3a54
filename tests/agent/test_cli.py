"""The commands as a user types them: what they print, and how they refuse."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lucy.agent.cli import main
from lucy.agent.store import Store, readers

from .conftest import TINY

SETTINGS = [f"--set={key}={value}" for key, value in TINY.items() if key != "steps"]


def lucy(
    capsys: pytest.CaptureFixture[str], *arguments: str, raw: bool = False
) -> tuple[int, str, str]:
    """Run a command in this process: exit status, output, errors, each on one line or as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lucy", *arguments])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    out, err = capsys.readouterr()
    if raw:
        return status, out, err
    return status, " ".join(out.split()), " ".join(err.split())


def test_train_match_and_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, figures, store = tmp_path / "run", tmp_path / "match.json", str(tmp_path / "lucy.db")
    train = ["train", "--preset", "lucy-cpu", "--run-dir", str(run), "--device", "cpu"]
    status, out, err = lucy(capsys, *train, "--steps", "64", "--mode", "2v2", *SETTINGS)
    assert (status, err) == (0, "")
    assert "Training 2v2" in out
    assert "Done: 128 steps" in out

    status, out, _ = lucy(capsys, "train", "--run-dir", str(run), "--resume", "--steps", "200")
    assert status == 0
    assert "Resuming" in out
    assert "Done: 256 steps" in out

    status, out, err = lucy(
        capsys,
        *("match", str(run), "random", "--games", "1", "--mode", "2v2"),
        *("--json", str(figures), "--store", store, "--record", str(tmp_path / "match.npz")),
    )
    assert (status, err) == (0, "")
    assert "share of goals" in out
    data = json.loads(figures.read_text())
    bot = str(run / "checkpoints" / "step-000000000256")  # and no name that later ones share
    assert data["bots"] == [bot, "random"]
    assert data["mode"] == "2v2"

    with Store.open(store, create=False) as opened:  # where the training went by default
        (summary,) = readers.list_runs(opened)
        matches = readers.read_matches(opened, (bot, "random"), "2v2")
        goals = readers.read_goals(opened)
        recordings = readers.read_recordings(opened)
    assert (summary.name, summary.steps, summary.status) == ("run", 256, "finished")
    assert matches[["first_goals", "second_goals"]].to_numpy().tolist() == data["games"]["goals"]
    assert len(goals) == sum(data["goals"])
    assert recordings["path"].tolist() == [str(tmp_path / "match.npz")]
    assert matches["recording_id"].tolist() == recordings["id"].tolist()


def test_training_without_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--preset", "lucy-cpu", "--run-dir", str(tmp_path / "run"), *SETTINGS]
    status, _, err = lucy(capsys, *command, "--steps", "64", "--device", "cpu", "--store", "none")
    assert (status, err) == (0, "")
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--preset", "lucy"], "unknown preset 'lucy'"),
        (["train", "--preset", "lucy-cpu", "--set", "ppo.gama=1"], "unknown setting 'ppo.gama'"),
        (["train", "--preset", "lucy-cpu", "--set", "ppo.gamma=2"], "ppo.gamma"),
        (["train", "--preset", "lucy-cpu", "--set", "ppo.batch_size=999"], "does not divide"),
        (["train", "--preset", "lucy-cpu", "--steps", "0"], "steps"),
        (["train", "--preset", "lucy-cpu", "--device", "cuda:9"], "cannot use device 'cuda:9'"),
        (["train", "--resume"], "nothing to resume in"),
        (["train", "--preset", "lucy-cpu", "--store", "sqlite://a.db"], "three slashes"),
        (["match", "chaser", "idle", "--store", "no/such/lucy.db"], "a folder that exists"),
        (["match", "chaser", "nobody"], "unknown bot 'nobody'"),
        (["match", "idle", "idle", "--record", "a.txt"], "a file name that ends in .npz"),
        (["match", "idle", "idle", "--games", "9000", "--record", "a.npz"], "record fewer games"),
        (
            ["match", "chaser", "idle", "--goals", "3", "--games", "5"],
            "--goals 3 and --games do not go together: a race is a row of kickoffs, not of games; "
            "leave one of the two out",
        ),
        (
            ["match", "chaser", "idle", "--goals", "3", "--record", "a.npz"],
            "--goals 3 and --record do not go together",
        ),
        (
            ["match", "chaser", "idle", "--goals", "3", "--store", "a.db"],
            "--goals 3 and --store do not go together",
        ),
        (
            ["replays", "import", "nowhere/*.replay", "-o", "out"],
            "nowhere/*.replay: no such replay",
        ),
        (
            ["train", "--preset", "lucy-cpu", "--set", "environment.resets={replays=1}"],
            "set environment.replays to a folder of recordings",
        ),
    ],
)
def test_bad_input_is_one_line_and_a_status(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = lucy(capsys, *arguments)
    assert status == 1
    assert err.startswith("lucy: ")
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--mode", "5v5"],
        ["match", "chaser"],
        ["trian"],
        ["match", "a", "b", "--games", "0"],
    ],
)
def test_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = lucy(capsys, *arguments)
    assert status == 2
    assert "Error" in err or "Usage" in err


def test_a_directory_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    run = tmp_path / "file" / "run"
    status, _, err = lucy(capsys, "train", "--preset", "lucy-cpu", "--run-dir", str(run), *SETTINGS)
    assert status == 1
    assert str(run) in err


@pytest.mark.parametrize("damage", ["missing", "foreign", "truncated"])
def test_checkpoints_that_cannot_be_played(
    damage: str, trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint"
    path.mkdir()
    newest = trained_run / "checkpoints" / "step-000000000192"
    if damage != "missing":
        for file in newest.iterdir():
            (path / file.name).write_bytes(file.read_bytes())
    if damage == "foreign":
        (path / "checkpoint.json").write_text("{}")
    if damage == "truncated":
        (path / "policy.safetensors").write_bytes((path / "policy.safetensors").read_bytes()[:-9])
    status, _, err = lucy(capsys, "match", str(path), "idle", "--games", "1")
    assert status == 1
    assert str(path) in err


@pytest.mark.parametrize(
    "command",
    [[], ["train"], ["match"], ["bench"], ["bench", "sim"], ["demo"], ["replays", "import"]],
)
def test_help_reads_well(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = lucy(capsys, *command, "--help")
    assert status == 0
    assert "Usage: lucy" in out


def test_the_whole_package_imports_without_a_warning() -> None:
    modules = "lucy.agent.cli, lucy.agent.train, lucy.agent.demo, lucy.agent.match_report"
    command = [sys.executable, "-W", "error", "-c", f"import {modules}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_demo_from_training_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lucy.agent import config, demo

    preset = config.load_preset
    monkeypatch.setattr(demo, "GAMES", 2)
    monkeypatch.setattr(demo, "load_preset", lambda name, changes: preset(name, TINY | changes))
    status, out, err = lucy(capsys, "demo", "--run-dir", str(tmp_path), "--steps", "512")
    assert (status, err) == (0, "")
    assert "after 512 steps" in out
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "touches_per_minute" in report
    assert "offensive_potential" in report
