"""Many .replay files as recordings, each read in a process that may die without harm."""

import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from .processors import usable_processors
from .recording import (
    SUFFIX,
    Recording,
    RecordingError,
    discard_unfinished,
    load_recording,
    save_recording,
)
from .replay_header import ReplayError
from .replay_limits import (
    HANG_SECONDS,
    READER_SECONDS,
    allowed_seconds,
    end_with_children,
    processor_seconds,
)
from .replays import read_replay

REPLAY_SUFFIX = ".replay"

_POLL_SECONDS = 0.5  # so that Ctrl-C is heard on Windows
_OVERWORKED = (
    f"keeps its reader busy for over {READER_SECONDS:g} s of processor time without getting on; "
    "save it from the game again, or leave it out"
)
_MAX_WORKERS = 8  # each takes some 300 MiB


class ImportedReplay(NamedTuple):
    """What became of one file."""

    replay: Path
    recording: Path | None  # None where it could not be read
    summary: str  # who played how, or why it could not be read


def import_replays(
    replays: Sequence[Path],
    directory: Path,
    *,
    workers: int | None = None,
    seconds: float = HANG_SECONDS,
) -> Iterator[ImportedReplay]:
    """Turn .replay files into recordings of the same names, several at once.

    Files of equal names from several folders keep as much of their folders' paths as tells them
    apart. A file that crashes or outlasts its reader costs that process alone. Recordings that
    are there already are replaced. Closing the iterator ends the processes.

    Args:
        replays: the files.
        directory: where the recordings go.
        workers: processes; default one a processor.
        seconds: on the wall after which one file's reader has hung. What it may take of the
            processor is `replay_limits`'.

    Yields:
        One result a file, in the order in which they are done.
    """
    replays = list(dict.fromkeys(replays))
    names = recording_names(replays)
    queue = [(replay, directory / name) for replay, name in zip(replays, names, strict=True)]
    count = min(workers or usable_processors(), _MAX_WORKERS, len(queue))
    readers = [_Reader(seconds) for _ in range(count)]
    try:
        queue.reverse()
        while queue or any(reader.busy for reader in readers):
            for reader in readers:
                if queue and not reader.busy:
                    reader.begin(*queue.pop())
            wait([reader.connection for reader in readers if reader.busy], _POLL_SECONDS)
            for reader in readers:
                if reader.busy and (result := reader.result()) is not None:
                    yield result
    finally:
        for reader in readers:
            reader.stop()


def recording_names(replays: Sequence[Path]) -> list[Path]:
    """What the replays' recordings are called: no two the same, not even where case is ignored.

    Args:
        replays: different paths.

    Returns:
        A file name for each, below a folder where it takes that to tell it from another.
    """
    equal: dict[str, list[Path]] = {}
    for replay in replays:
        equal.setdefault(replay.stem.lower(), []).append(replay)
    names: dict[Path, Path] = {}
    taken: set[str] = set()
    for group in sorted(equal.values(), key=len):  # those that are alone keep their names
        for replay, folder in zip(group, _below_common(group), strict=True):
            name, number = folder / (replay.stem + SUFFIX), 1
            while str(name).lower() in taken:  # a.replay and A.REPLAY, or a.replay and a.Replay
                number += 1
                name = folder / f"{replay.stem}-{number}{SUFFIX}"
            taken.add(str(name).lower())
            names[replay] = name
    return [names[replay] for replay in replays]


def _below_common(files: Sequence[Path]) -> list[Path]:
    """The files' folders, without what all have in common."""
    folders = [Path(os.path.abspath(file)).parent for file in files]  # noqa: PTH100  # and without ..
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # they are on several drives
        return [Path(folder.drive.strip(":\\/"), *folder.parts[1:]) for folder in folders]
    return [folder.relative_to(common) for folder in folders]


def load_replay(path: Path) -> Recording:
    """Turn one .replay file into a recording, in a process of its own.

    Raises:
        ReplayError: it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="lucy-replays-") as folder:
        (result,) = import_replays([path], Path(folder), workers=1)
        if result.recording is None:
            raise ReplayError(f"{path}: {result.summary}")
        return load_recording(result.recording)


class _Reader:
    """One process that reads replays, started when needed and after every death again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: Any = None
        self._job: tuple[Path, Path] | None = None
        self._deadline = 0.0
        # Processor time of the process when it began the file, and the frames it has got
        self._account = multiprocessing.get_context("spawn").RawArray("d", 2)

    @property
    def busy(self) -> bool:
        return self._job is not None

    def begin(self, replay: Path, target: Path) -> None:
        if self._process is None:
            self._start()
        self._job = (replay, target)
        self._deadline = time.monotonic() + self._seconds
        self._account[:] = math.inf, 0.0
        self.connection.send_bytes(json.dumps([str(replay), str(target)]).encode())

    def result(self) -> ImportedReplay | None:
        """What became of the file, once that is known."""
        assert self._job is not None
        replay, target = self._job
        done: tuple[bool, str] | None = None
        try:
            if self.connection.poll():
                done = json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            self._process.join(10)
            done = False, f"crashed its reader (exit status {self._process.exitcode})"
            self.stop()
        if done is None and time.monotonic() > self._deadline:
            done = False, f"was not read within {self._seconds:g} s"
            self.stop()
        if done is None and self._overworked():
            done = False, _OVERWORKED
            self.stop()
        if done is None:
            return None
        self._job = None
        read, summary = done
        return ImportedReplay(replay, target if read else None, summary)

    def _overworked(self) -> bool:
        began, frames = self._account
        return processor_seconds(self._watched) - began > allowed_seconds(frames)

    def stop(self) -> None:
        if self._process is not None:
            end_with_children(self._process.pid)
            self._process.join()
            if self._job is not None:
                discard_unfinished(self._job[1], self._process.pid)
            self.connection.close()
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._scratch = tempfile.mkdtemp(prefix="lucy-replays-")
        self.connection, theirs = context.Pipe()
        arguments = theirs, self._scratch, self._account
        self._process = context.Process(target=_read_all, args=arguments, daemon=True)
        self._process.start()
        self._watched = psutil.Process(self._process.pid)
        theirs.close()


def _read_all(connection: Connection, scratch: str, account: Any) -> None:
    """Read the replays that come through the connection, until it closes."""
    # The parent hears Ctrl-C too and ends this process; the parser must die of it itself,
    # which it would not if the signal were ignored.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    tempfile.tempdir = scratch  # which the parent removes whatever happens here
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  # for its lifetime
    while True:
        try:
            replay, target = json.loads(connection.recv_bytes())
            account[0] = time.process_time()
            done = _read_one(Path(replay), Path(target), account)
            connection.send_bytes(json.dumps(done).encode())
        except (EOFError, OSError):
            return


def _read_one(replay: Path, target: Path, account: Any) -> tuple[bool, str]:
    def progress() -> None:
        account[1] += 1

    try:
        recording = read_replay(replay, progress)
        save_recording(target, recording)
    except (ReplayError, RecordingError) as error:
        return False, str(error)
    except Exception as error:  # whatever it is, it is about this file alone
        said = " ".join(str(error).split())
        return False, f"cannot be imported ({type(error).__name__}: {said})"
    game = recording.metadata.games[-1]  # the one that the header is of
    score = f"{game.score[0]}:{game.score[1]}"
    played = f"{game.blue} {score} {game.orange}, {len(recording.states.score):,} steps"
    return True, "; ".join([played, *recording.metadata.details.get("notes", [])])
