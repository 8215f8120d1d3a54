"""A run directory belongs to one training, and a run is never overwritten by mistake."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lucy.agent import checkpoint
from lucy.agent.run_dir import RunDirectory, RunDirectoryError


def save(run: RunDirectory, step: int = 1) -> Path:
    return checkpoint.save(
        run.checkpoints,
        step,
        policy={"w": torch.zeros(2)},
        optimizer={},
        config={},
        counters={},
        versions={},
        random_state={},
    )


def refused(path: Path, *, resume: bool = False) -> str:
    with pytest.raises(RunDirectoryError) as caught, RunDirectory(path, resume=resume):
        pass
    assert str(caught.value).startswith(f"{path}: ")
    assert "--run-dir" in str(caught.value)
    return str(caught.value)


def test_new_run(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run"
    with RunDirectory(path) as run:
        assert run.resume_from is None
        assert (run.checkpoints, run.tensorboard) == (path / "checkpoints", path / "tensorboard")
        assert run.config_file == path / "config.json"
        assert (path / "run.pid").read_text() == str(os.getpid())
    assert not (path / "run.pid").exists()


def test_resume_finds_the_newest_whole_checkpoint(tmp_path: Path) -> None:
    with RunDirectory(tmp_path) as run:
        old, new = save(run, 1), save(run, 2)
    with RunDirectory(tmp_path, resume=True) as run:
        assert run.resume_from == new
    (new / "policy.safetensors").unlink()
    with RunDirectory(tmp_path, resume=True) as run:
        assert run.resume_from == old


def test_new_run_does_not_mix_with_an_old_one(tmp_path: Path) -> None:
    with RunDirectory(tmp_path) as run:
        path = save(run)
    assert "Pass --resume" in refused(tmp_path)
    (path / "policy.safetensors").unlink()
    assert "Pass --resume" in refused(tmp_path)


def test_resume_needs_something_to_resume(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert "no such directory" in refused(missing, resume=True)
    assert not missing.exists()
    assert "there is none in it" in refused(tmp_path, resume=True)


def test_resume_of_broken_checkpoints_is_refused(tmp_path: Path) -> None:
    with RunDirectory(tmp_path) as run:
        checkpoint.write_json_atomically(run.config_file, {})
        (save(run) / "checkpoint.json").unlink()
    message = refused(tmp_path, resume=True)
    assert "all 1 in it are broken" in message
    assert "without --resume" in message


def test_run_killed_before_its_first_save_starts_from_the_beginning(tmp_path: Path) -> None:
    with RunDirectory(tmp_path) as run:
        checkpoint.write_json_atomically(run.config_file, {"seed": 1})
    with RunDirectory(tmp_path, resume=True) as run:
        assert run.resume_from is None
    with RunDirectory(tmp_path):
        pass


def test_refusal_releases_the_lock(tmp_path: Path) -> None:
    refused(tmp_path, resume=True)
    assert not (tmp_path / "run.pid").exists()
    with RunDirectory(tmp_path):
        pass


@pytest.mark.parametrize("resume", [False, True])
def test_directory_that_cannot_be_written(tmp_path: Path, resume: bool) -> None:
    file = tmp_path / "file.txt"
    file.touch()
    for path in (file, file / "run"):
        refused(path, resume=resume)
    assert "expected a writable run directory" in refused(file / "run")


def test_full_disk_releases_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert "No space left on device" in refused(tmp_path)
    with RunDirectory(tmp_path):
        pass


def test_second_training_in_this_process_is_kept_out(tmp_path: Path) -> None:
    with RunDirectory(tmp_path) as run:
        assert f"another training (pid {os.getpid()})" in refused(tmp_path)
        assert "Stop that one" in refused(tmp_path, resume=True)
        (run.path / "run.pid").unlink()
        assert "another training (pid unknown)" in refused(tmp_path)
    with RunDirectory(tmp_path):
        pass


HOLDER = """
import sys
from pathlib import Path
from lucy.agent.run_dir import RunDirectory
with RunDirectory(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_second_process_is_kept_out_until_the_first_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        message = refused(tmp_path)
        process.kill()
    assert f"is already in use by another training (pid {process.pid})" in message
    with RunDirectory(tmp_path):
        assert (tmp_path / "run.pid").read_text() == str(os.getpid())
