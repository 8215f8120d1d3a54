"""The directory of one training run: exclusive to one process and never overwritten by mistake."""

import json
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from ..rewards.errors import one_line
from . import checkpoint
from .config import ConfigError
from .errors import LucyError

_MEND_CONFIG = "mend it, or begin a new run in another --run-dir"


class RunDirectoryError(LucyError):
    """A run directory cannot be used as asked; the message says what to do."""


def saved_settings(run: Path) -> dict[str, Any]:
    """What a run's config.json holds; whether it can be a config is not checked.

    Raises:
        ConfigError: it is missing or damaged.
    """
    path = run / "config.json"
    try:
        settings = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"nothing to resume in {run}: leave --resume out to start a run there"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read ({one_line(error)}); {_MEND_CONFIG}") from error
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{path}: expected a table of settings, got {type(settings).__name__}; {_MEND_CONFIG}"
        )
    return settings


class RunDirectory:
    """Context manager that prepares a run directory and keeps other trainings out of it.

    Attributes:
        path: The directory itself.
        resume: Whether this goes on with the run in it.
        resume_from: The newest whole checkpoint when resuming, or None to start from the
            beginning; set when the context is entered.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        """Remember what to open; nothing is touched before the context is entered.

        Args:
            path: The directory; created where missing.
            resume: Go on with the run in it instead of starting a new one.
        """
        self.path = path
        self.resume_from: Path | None = None
        self.resume = resume
        self._lock = FileLock(path / "run.lock")

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints, created by the first save."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """The folder of the TensorBoard logs."""
        return self.path / "tensorboard"

    @property
    def config_file(self) -> Path:
        """The settings of the run."""
        return self.path / "config.json"

    def __enter__(self) -> Self:
        """Create, lock and check the directory.

        Returns:
            This object.

        Raises:
            RunDirectoryError: The directory cannot be written, is in use, already holds a run
                that would be mixed with a new one, holds none to resume, or has a name that is
                no text.
        """
        self._check_name()
        if self.resume and not self.path.is_dir():
            raise self._nothing_to_resume("there is no such directory")
        self._check_writable()
        self._acquire()
        try:
            if self.resume:
                self._find_resume_point()
            else:
                self._check_unused()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let other trainings in again."""
        self._release()

    @property
    def _pid_file(self) -> Path:
        # Not the lock file itself: on Windows nobody else can read that while it is locked.
        return self.path / "run.pid"

    def _check_name(self) -> None:
        try:
            str(self.path.absolute()).encode()
        except UnicodeEncodeError as error:
            raise RunDirectoryError(
                f"{self.path}: its name is no text in UTF-8, which neither TensorBoard nor the "
                "store can keep. Rename the folder, or choose another --run-dir."
            ) from error

    def _check_writable(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path}: expected a writable run directory, but writing to it failed "
                f"({error}). Make it writable, or choose another --run-dir."
            ) from error

    def _acquire(self) -> None:
        try:
            self._lock.acquire(blocking=False)
            self._pid_file.write_text(str(os.getpid()), encoding="ascii")
        except Timeout as error:
            raise RunDirectoryError(
                f"{self.path}: is already in use by another training (pid {self._owner()}). "
                "Stop that one or wait for it to end, or choose another --run-dir."
            ) from error
        except OSError as error:
            self._lock.release()
            raise RunDirectoryError(
                f"{self.path}: expected to lock it for this training, but that failed ({error}). "
                "Mend the cause that is named, or choose another --run-dir."
            ) from error

    def _release(self) -> None:
        self._pid_file.unlink(missing_ok=True)
        self._lock.release()

    def _owner(self) -> str:
        try:
            return self._pid_file.read_text(encoding="ascii") or "unknown"
        except (OSError, ValueError):  # not written yet, or just ending
            return "unknown"

    def _check_unused(self) -> None:
        if checkpoint.step_folders(self.checkpoints):
            raise RunDirectoryError(
                f"{self.path}: expected a directory for a new run, but it already holds "
                "checkpoints. Pass --resume to go on with that run, or choose another --run-dir."
            )

    def _find_resume_point(self) -> None:
        self.resume_from = checkpoint.newest(self.checkpoints)
        broken = checkpoint.step_folders(self.checkpoints)
        if self.resume_from or (self.config_file.exists() and not broken):
            return  # without any checkpoint the run was killed before its first save
        raise self._nothing_to_resume(
            f"all {len(broken)} in it are broken" if broken else "there is none in it"
        )

    def _nothing_to_resume(self, found: str) -> RunDirectoryError:
        return RunDirectoryError(
            f"{self.path}: expected a whole checkpoint to resume from, but {found}. "
            "Pass the --run-dir of another run, or start a new run without --resume in a new one."
        )
