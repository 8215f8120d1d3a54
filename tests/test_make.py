"""`make` sets up: after a set-up that was broken off, with new versions, with a wrong Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What decides how Lucy is set up, in a folder with a space in its name."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def make(project: Path, pip: str = "true", python: str = sys.executable) -> tuple[bool, str]:
    """Whether the set-up is said to be whole, and what was said."""
    command = ["make", ".venv/ready", f"PIP={pip}", f"PYTHON={python}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (project / ".venv" / "ready").exists()
    return done.returncode == 0, done.stdout + done.stderr


def test_a_broken_set_up_is_begun_again_and_a_whole_one_left_alone(project: Path) -> None:
    bare = [sys.executable, "-m", "venv", "--without-pip", ".venv"]  # as if interrupted here
    subprocess.run(bare, cwd=project, check=True)
    assert make(project, pip="false")[0] is False  # and here
    pip = [project / ".venv" / "bin" / "python", "-m", "pip", "--version"]
    assert subprocess.run(pip, check=False, capture_output=True).returncode == 0
    whole, said = make(project)
    assert whole and "venv --clear" not in said
    assert "up to date" in make(project)[1]


def pretend(project: Path) -> None:
    """As if it were set up, as far as make sees."""
    folder = project / ".venv" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "activate").write_text(f"VIRTUAL_ENV='{project}/.venv'\n", "utf-8")
    (folder / "python").unlink(missing_ok=True)
    (folder / "python").symlink_to(sys.executable)
    (project / ".venv" / "ready").touch()


def dry_run(project: Path, *variables: str) -> str:
    command = ["make", "--dry-run", "test", *variables]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_other_versions_are_installed(project: Path, name: str) -> None:
    ready = project / ".venv" / "ready"
    pretend(project)
    assert "pip install" not in dry_run(project)
    later = ready.stat().st_mtime + 10
    os.utime(project / name, (later, later))
    assert "pip install --constraint constraints.txt --no-build-isolation" in dry_run(project)


def test_a_set_up_that_was_moved_or_is_of_another_python_is_made_anew(project: Path) -> None:
    pretend(project)
    moved = project.rename(project.with_name("elsewhere"))
    assert "-m venv --clear .venv" in dry_run(moved)
    pretend(moved)
    assert "pip install" not in dry_run(moved)
    (moved / ".venv" / "bin" / "python").unlink()  # which is asked for its version
    assert "pip install" in dry_run(moved, f"PYTHON={sys.executable}")
    assert "pip install" not in dry_run(moved)


def test_another_python_is_named_with_the_way_out(project: Path, tmp_path: Path) -> None:
    new = tmp_path / "python3.13"
    new.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.13.0\n', "ascii")
    new.chmod(0o755)
    for python, found in ((str(new), "Python 3.13.0"), ("python-none", "missing")):
        whole, said = make(project, python=python)
        assert not whole
        assert f"Lucy needs Python 3.11 or 3.12, and {python} is {found}." in said
        assert "make .venv/ready PYTHON=python3.12" in said
    assert not (project / ".venv").exists()
