"""`lucy replays import`: many .replay files as recordings, under a progress bar."""

import glob
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..sim.recording import RecordingError, check_target
from ..sim.replay_import import import_replays
from .errors import LucyError


class ReplayImportError(LucyError):
    """No replay could be imported; the message says what to do."""


def find_replays(patterns: Sequence[str]) -> list[Path]:
    """The files that are meant by names, folders and patterns such as `games/*.replay`.

    Windows' shells leave patterns to the program. A folder stands for the .replay files in it.

    Raises:
        ReplayImportError: a name or pattern stands for no file.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            files = sorted(path.glob("*.replay"))
        elif path.exists():
            files = [path]
        else:
            files = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207  # absolute patterns too
        if not files:
            raise ReplayImportError(
                f"{pattern}: no such replay; expected .replay files, folders with some, or "
                "patterns such as games/*.replay"
            )
        found |= dict.fromkeys(files)
    return list(found)


def run_import(replays: Sequence[Path], directory: Path, console: Console) -> int:
    """Import replays and say of each that cannot be read why.

    Args:
        replays: the files.
        directory: where the recordings go.
        console: shows progress.

    Returns:
        How many were imported.

    Raises:
        ReplayImportError: not one could be, or the directory cannot be written.
    """
    try:
        check_target(directory / "test.npz")
    except RecordingError as error:
        raise ReplayImportError(
            f"{directory}: expected a folder that can be written to; choose another ({error})"
        ) from error
    imported = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replays", total=len(replays))
        try:
            for result in import_replays(replays, directory):
                imported += result.recording is not None
                name, summary = escape(str(result.replay)), escape(result.summary)
                if result.recording is None:
                    progress.console.print(f"[red]Skipped[/] {name}: {summary}", highlight=False)
                else:
                    progress.console.print(f"{name}: {summary}", highlight=False)
                progress.advance(task)
        except KeyboardInterrupt:
            progress.console.print(
                f"Stopped; {imported} recordings are in {escape(str(directory))}."
            )
            raise
    if not imported:
        raise ReplayImportError(
            "no file could be imported, for the reasons above; expected replays of standard "
            "soccar, as the game saves them"
        )
    return imported
