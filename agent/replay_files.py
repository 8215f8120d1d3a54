"""`lucy replays import`: many .replay files as recordings, under a progress bar."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ..sim.file_search import FileSearchError, find_files
from ..sim.recording import RecordingError, check_target
from ..sim.replay_import import REPLAY_SUFFIX, import_replays
from .errors import LucyError
from .messages import one_line, text_column


class ReplayImportError(LucyError):
    """No replay could be imported; the message says what to do."""


def find_replays(patterns: Sequence[str], console: Console | None = None) -> list[Path]:
    """The files that are meant by names, folders and patterns such as `games/**/*.replay`.

    A folder stands for the .replay files in it and in its sub-folders.

    Args:
        patterns: names, folders and patterns.
        console: is told which folders could not be searched.

    Raises:
        ReplayImportError: one of them stands for no file.
    """
    expected = f"{REPLAY_SUFFIX} files, folders with some, or patterns such as games/**/*.replay"
    try:
        found = find_files(patterns, (REPLAY_SUFFIX,), "replay", expected)
    except FileSearchError as error:
        raise ReplayImportError(str(error)) from error
    if console is not None:
        for folder in found.unread:
            console.print(Text("Not searched", "red"), end=" ")
            console.print(one_line(folder))
    return found.files


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
        text_column("{task.description}"),
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
                if result.recording is None:
                    progress.console.print(Text("Skipped", "red"), end=" ")
                progress.console.print(one_line(f"{result.replay}: {result.summary}"))
                progress.advance(task)
        except KeyboardInterrupt:
            progress.console.print(one_line(f"Stopped; {imported} recordings are in {directory}."))
            raise
    if not imported:
        raise ReplayImportError(
            "no file could be imported, for the reasons above; expected replays of standard "
            "soccar, as the game saves them"
        )
    return imported
