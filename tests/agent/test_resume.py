"""A resumed training goes on as the one that was never stopped: to the bit, on the CPU."""

import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lucy.agent import checkpoint
from lucy.agent.errors import LucyError
from lucy.agent.metrics import read_metrics
from lucy.agent.train import start_settings, train

from ..conftest import ROOT
from .conftest import tiny_config
from .test_train import ALL_TASKS, assert_same_weights

MIXED = {"environment__mode": "mixed", "environment__arenas": 3, "environment__processes": 2}
LEAGUE = {
    "league__share": 1.0,
    "league__bots": {"chaser": 1.0},
    "league__refresh": 1,
    "ppo__batch_size": 16,
    "steps": 96,
}
CASES = {
    "alone": {},
    "tasks": ALL_TASKS,
    "processes": {"environment__processes": 2, "learner__precision": "bf16"},
    "league": LEAGUE,
    "league in processes": LEAGUE | {"environment__processes": 2},
    "mixed": MIXED | ALL_TASKS | {"ppo__batch_size": 16, "steps": 288},
}


def resume(run: Path, **changes: Any) -> str:
    """Go on with a run whose newest checkpoint is gone, as if it had been killed; what is said."""
    shutil.rmtree(checkpoint.step_folders(run / "checkpoints")[0])
    said = io.StringIO()
    named = {key.replace("__", "."): value for key, value in changes.items()}
    config = start_settings(run, "", named, resume=True)
    train(config, run, resume=True, console=Console(file=said, width=1000))
    return said.getvalue()


def learned(run: Path) -> list[dict[str, float | None]]:
    """All metrics but times."""
    return [
        {name: value for name, value in line.items() if name.partition("/")[0] != "time"}
        for line in read_metrics(run / "metrics.jsonl")
    ]


@pytest.mark.parametrize("case", CASES)
def test_the_next_iteration_is_the_uninterrupted_ones(case: str, tmp_path: Path) -> None:
    run, stopped = tmp_path / "run", tmp_path / "stopped"
    train(tiny_config(**CASES[case]), run)
    shutil.copytree(run, stopped)
    assert "The games go on." in resume(stopped)
    assert len(learned(run)) == 3
    assert learned(stopped) == learned(run)
    assert_same_weights(stopped, run)


def test_another_number_of_processes_changes_nothing(trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    assert "The games go on." in resume(tmp_path / "run", environment__processes=3)
    assert_same_weights(tmp_path / "run", trained_run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"environment__arenas": 8}, "environment.arenas was 4 and is 8."),
        ({"environment__timeout": 10.0}, "environment.timeout was 300.0 and is 10.0."),
        ({"seed": 7}, "seed was 0 and is 7."),
        ({"league__share": 0.5, "ppo__batch_size": 16}, "league.share was 0.0 and is 0.5."),
    ],
)
def test_changed_games_start_anew(
    trained_run: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    assert f"The games start anew: {said}" in resume(tmp_path / "run", **changes)


def test_a_changed_reward_file_starts_the_games_anew(tmp_path: Path) -> None:
    run, reward = tmp_path / "run", tmp_path / "reward.toml"
    reward.write_text('[[potential]]\ncomponent = "face_ball"\nweight = 1.0\n', "utf-8")
    train(tiny_config(environment__reward=str(reward)), run)
    reward.write_text('[[potential]]\ncomponent = "face_ball"\nweight = 2.0\n', "utf-8")
    assert "anew: the reward was another" in resume(run, environment__reward=str(reward))


def test_a_checkpoint_without_games_still_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    monkeypatch.setattr("lucy.agent.train.save_games", lambda model, config: {})
    train(tiny_config(), run)
    monkeypatch.undo()
    assert not list(run.rglob(checkpoint.GAMES))
    assert "The games start anew: the checkpoint holds none." in resume(run)


def test_games_are_verified_like_the_weights(trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    newest = checkpoint.newest(tmp_path / "run" / "checkpoints")
    assert newest is not None
    file = newest / checkpoint.GAMES
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(checkpoint.CheckpointError, match=checkpoint.GAMES):
        checkpoint.load(newest)


KILL = """
import sys
from pathlib import Path
import psutil
from lucy.agent import checkpoint, train
from lucy.agent.ppo import AuxPPO
from tests.agent.conftest import tiny_config

calls = {}
def die_at(owner, name, count, file=""):
    before = getattr(owner, name)
    def counted(*arguments):
        if str(arguments[0]).endswith(file):
            calls[name] = calls.get(name, 0) + 1
            if calls[name] == count:
                psutil.Process().kill()  # as kill -9: nothing is tidied up
        return before(*arguments)
    setattr(owner, name, counted)

if __name__ == "__main__":
    MOMENT
    train.train(tiny_config(), Path(sys.argv[1]))
"""
MOMENTS = {
    "update": 'die_at(AuxPPO, "_gradient", 7)',  # of 4 an iteration: in the second one
    "writing games": 'die_at(checkpoint, "write_durably", 2, "games.safetensors")',
    "publishing": 'die_at(checkpoint, "_publish", 2)',
    "tidying": 'die_at(checkpoint, "prune", 2)',
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_training_ends_as_if_it_had_not_been(
    moment: str, trained_run: Path, tmp_path: Path
) -> None:
    script, run = KILL.replace("MOMENT", MOMENTS[moment]), tmp_path / "run"
    ended = subprocess.run([sys.executable, "-c", script, str(run)], cwd=ROOT, check=False)
    assert ended.returncode == (-signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    train(start_settings(run, "", {}, resume=True), run, resume=True)
    assert learned(run) == learned(trained_run)
    assert_same_weights(run, trained_run)


def test_a_device_without_memory_names_what_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr("lucy.agent.ppo.AuxPPO._gradient", full)
    with pytest.raises(LucyError) as caught:
        train(tiny_config(), tmp_path / "run", device=torch.device("cpu"))
    assert str(caught.value) == (
        "cpu ran out of memory. Lower learner.piece (an update's samples at a time, now 32), or "
        "else environment.arenas (now 4) or ppo.n_steps (now 8), which the rollout's memory grows "
        "with. No checkpoint was saved yet: give the same command again with --set learner.piece=8"
    )
