"""rlgym-learn in a virtual environment of its own: made once, then run as a process."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from ..agent.errors import LucyError

_REQUIREMENTS = (
    "rlgym-learn==1.0.4",
    "rlgym-learn-algos[wandb]==0.2.6",  # imports wandb even where it logs nowhere
    "rlgym[rl-sim]==2.0.1",
    "numpy>=1.26,<2",
    "numba",  # which Lucy's task imports
)
_TASK = (Path(__file__).parent, Path(__file__).parent.with_name("sim"))  # packages
_READY = "ready.txt"  # written last: an environment without it is made again


class PeerError(LucyError):
    """rlgym-learn could not be installed, or ended."""


def default_folder() -> Path:
    """Where the environment goes: the user's cache."""
    return user_cache_path("lucy", appauthor=False) / "rlgym-learn"


def install(folder: Path, requirements: Sequence[str] = _REQUIREMENTS) -> Path:
    """Make the environment, unless it is there already with these packages.

    Args:
        folder: its place.
        requirements: what pip installs, and the torch of this environment's release.

    Returns:
        Its Python.

    Raises:
        PeerError: it cannot be made; the message has pip's reason.
    """
    release = ".".join(version("torch").split(".")[:2])
    requirements = [*requirements, f"torch=={release}.*"]
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready, wanted = folder / _READY, "\n".join(requirements)
    if ready.exists() and ready.read_text("utf-8") == wanted:
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], folder)
    _run([str(python), "-m", "pip", "install", "--quiet", *requirements], folder)
    ready.write_text(wanted, "utf-8")
    return python


def _run(command: Sequence[str], folder: Path) -> None:
    result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = (errors or result.stderr.splitlines() or ["no reason given"])[-1]
        raise PeerError(
            f"cannot install rlgym-learn into {folder}: {reason}; it needs the network and about "
            "1 GB. Try again when online, or leave --rlgym-learn out"
        )


def _copy_task(folder: Path) -> Path:
    """Put what Lucy's task consists of where another environment can import it."""
    for package in _TASK:
        shutil.copytree(
            package, folder / "lucy" / package.name, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


class Peer:
    """A process that trains with rlgym-learn, an iteration at a time, and waits in between."""

    def __init__(self, python: Path, settings: dict[str, Any], folder: Path) -> None:
        """Start it; its environments are running when this returns.

        Args:
            python: of its environment.
            settings: see `rlgym_learn_peer.make_coordinator`.
            folder: where it runs and leaves its files; they grow to a few MB.

        Raises:
            PeerError: it did not start.
        """
        self._log = folder / "rlgym-learn.log"
        script = Path(__file__).with_name("rlgym_learn_peer.py")
        environment = os.environ | {
            "OMP_WAIT_POLICY": "PASSIVE",  # as here: spinning threads take the environments' cores
            "PYTHONPATH": str(_copy_task(folder)),
        }
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(python), str(script), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=environment,
                encoding="utf-8",
            )
        self._reply()

    def iterate(self) -> dict[str, float]:
        """Let it make one iteration: steps, and seconds by phase.

        Raises:
            PeerError: it has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended: the missing reply says so
        return self._reply()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _reply(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self.close()
        last = (self._log.read_text("utf-8", errors="replace").strip() or "no message")[-2000:]
        raise PeerError(f"rlgym-learn ended early: {last.splitlines()[-1]}")
