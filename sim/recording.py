"""Recordings: one file format for trajectories of matches, self-play and parsed replays.

A recording is an `.npz` archive with an array `state/<field>` for every field of `GameStates`,
T steps each, and `metadata`, the UTF-8 bytes of a JSON document. Nothing in it is a pickle.
"""

import contextlib
import os
import re
import struct
import zipfile
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .constants import BLUE, ORANGE
from .state import GameStates, allocate, select

FORMAT: Literal["lucy-recording"] = "lucy-recording"
FORMAT_VERSION = 1
SUFFIX = ".npz"
MAX_BYTES = 2**31  # of all arrays: some 12 hours of 2v2
MAX_CARS = 8  # the game knows 4v4 at most

_MAX_METADATA_BYTES = 2**24
_MAX_DEFLATE_RATIO = 1032  # of zlib, by its own documentation
_COMPRESSION_LEVEL = 1  # 4 % larger than the default 6, in half the time
_PIECE = 2**20
_TEMPORARY = ".tmp-"

Name = Annotated[str, Field(max_length=256)]


class RecordingError(ValueError):
    """A recording cannot be read or written; the message names the file and the way out."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class RecordedGame(_Document):
    """One game of a recording: a range of its steps."""

    start: int = Field(ge=0, description="its first step")
    stop: int = Field(ge=1, description="one past its last step")
    blue: Name = Field(description="who plays blue: a bot, or a team's name")
    orange: Name
    players: list[Name] = Field(description="the name in each car slot, empty where there is none")
    score: tuple[int, int] = Field(description="goals of blue and orange in this game")


class RecordingMetadata(_Document):
    """What a recording says of itself."""

    format: Literal["lucy-recording"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    lucy: Name = Field(default_factory=lambda: version("lucy-skg"))
    source: Name = Field(description="where it comes from, such as `match` or `replay`")
    mode: Name = Field(description="`1v1`, `2v2`, `3v3`, or what else was played")
    tick_skip: int = Field(ge=1, le=1200, description="physics ticks (1/120 s) a step")
    seed: int | None = Field(default=None, description="of the games, where there was one")
    games: list[RecordedGame] = Field(min_length=1)
    details: dict[str, Any] = Field(default={}, description="anything more that the source knows")


class Recording(NamedTuple):
    """T steps of play, one game after another."""

    states: GameStates  # T steps
    metadata: RecordingMetadata

    def game(self, index: int) -> GameStates:
        """The steps of one game, as views."""
        game = self.metadata.games[index]
        return select(self.states, slice(game.start, game.stop))


class Recorder:
    """Collects steps of A arenas, of which some may have more than others."""

    def __init__(self, capacity: int = 1024) -> None:
        """Prepare for so many steps of an arena; memory grows by doubling beyond them."""
        self._capacity = capacity
        self._arrays: dict[str, np.ndarray] = {}
        self._team = np.zeros(0, np.int32)
        self.steps = np.zeros(0, np.int64)  # [A], how many there are of each arena

    def append(self, states: GameStates, arenas: np.ndarray | None = None) -> None:
        """Copy what the states are now.

        Args:
            states: of the same A arenas at every call.
            arenas: whose; default all.
        """
        if not self._arrays:
            self._allocate(states)
        if arenas is None:
            arenas = np.arange(len(self.steps))
        steps = self.steps[arenas]
        for name, kept in self._arrays.items():
            if steps.max(initial=0) >= kept.shape[1]:
                kept = self._arrays[name] = np.concatenate([kept, np.empty_like(kept)], axis=1)
            kept[arenas, steps] = getattr(states, name)[arenas]
        self.steps[arenas] += 1

    def states(self) -> GameStates:
        """All steps, arena after arena.

        Raises:
            ValueError: none was appended.
        """
        if not self._arrays:
            raise ValueError("nothing was recorded")
        arrays = {
            name: np.concatenate(
                [rows[:steps] for rows, steps in zip(kept, self.steps, strict=True)]
            )
            for name, kept in self._arrays.items()
        }
        return GameStates(**arrays, car_team=self._team)

    def _allocate(self, states: GameStates) -> None:
        self._team = states.car_team.copy()
        self.steps = np.zeros(len(states.car_mask), np.int64)
        self._arrays = {
            name: np.empty((len(array), self._capacity, *array.shape[1:]), array.dtype)
            for name, array in states._asdict().items()
            if name != "car_team"
        }


def step_bytes(cars: int) -> int:
    """Bytes of memory that one step with so many car slots takes."""
    states = allocate(np.ones((1, cars), np.bool_), np.zeros(cars, np.int32))
    return sum(array.nbytes for array in states) - states.car_team.nbytes


def check_target(path: Path, size: int = 0) -> None:
    """Make sure, before long work, that a recording can be written there.

    Missing folders are created.

    Args:
        path: of the recording to be.
        size: bytes that it is going to have.

    Raises:
        RecordingError: it cannot.
    """
    if path.suffix != SUFFIX:
        raise RecordingError(f"{path}: expected a file name that ends in {SUFFIX}")
    if size > MAX_BYTES:
        raise RecordingError(_too_large(path, size))
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise RecordingError(f"{path}: is a folder; name a file for the recording")
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise RecordingError(
            f"{path}: cannot be written ({error}); choose another place for the recording"
        ) from error


def save_recording(path: Path, recording: Recording) -> None:
    """Write a recording, replacing one that is there at one stroke.

    Args:
        path: ends in `.npz`.
        recording: checked as `load_recording` does, so that what is written can be read.

    Raises:
        RecordingError: the recording is not valid, or the file cannot be written.
    """
    check_target(path)
    document = recording.metadata.model_dump_json().encode()
    _check(path, recording)
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            with zipfile.ZipFile(
                file, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL
            ) as archive:
                _write(archive, "metadata", np.frombuffer(document, np.uint8))
                for name, array in recording.states._asdict().items():
                    _write(archive, f"state/{name}", array)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RecordingError(
            f"{path}: cannot be written ({error}); free the disk or the file, or choose "
            "another place for the recording"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def discard_unfinished(path: Path, pid: int) -> None:
    """Remove what a process has left that was killed while it saved this recording."""
    with contextlib.suppress(OSError):
        _temporary(path, pid).unlink(missing_ok=True)


def load_recording(path: Path) -> Recording:
    """Read a recording and check it whole: what it claims before memory is taken, then values.

    Args:
        path: written by `save_recording`.

    Returns:
        Arrays that may be written to.

    Raises:
        RecordingError: no such file, or it is no valid recording.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for a writer
            raise RecordingError(
                f"{path}: cannot be read, for it is a folder, a pipe or a device; name a file"
            )
        with zipfile.ZipFile(path) as archive:
            recording = _read(path, archive)
    except RecordingError:
        raise
    except _DAMAGE as error:
        raise RecordingError(
            f"{path}: expected a recording of `lucy match --record` or `lucy replays import`, "
            f"but it cannot be read ({type(error).__name__}: {error})"
        ) from error
    _check(path, recording)
    return recording


# What zipfile and zlib raise over damaged archives
_DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,  # a compression of the future
    OverflowError,
    RuntimeError,  # encrypted
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<>=|]\w{1,4})', 'fortran_order': False, 'shape': \(([\d, ]{0,40})\), \} *\n"
)


def _temporary(path: Path, pid: int | None = None) -> Path:
    return path.with_name(f"{_TEMPORARY}{pid or os.getpid()}-{path.name}")


def _write(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        np.lib.format.write_array(
            stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False
        )


def _read(path: Path, archive: zipfile.ZipFile) -> Recording:
    members = {info.filename: info for info in archive.infolist()}
    names = ["metadata", *(f"state/{name}" for name in GameStates._fields)]
    missing = [name for name in names if f"{name}.npy" not in members]
    if missing:
        raise RecordingError(f"{path}: is no recording: it has no {', '.join(missing[:3])}")
    claimed = sum(members[f"{name}.npy"].file_size for name in names)
    if claimed > MAX_BYTES:
        raise RecordingError(_too_large(path, claimed))
    text = _read_array(path, archive, members["metadata.npy"], _MAX_METADATA_BYTES)
    metadata = _parse_metadata(path, text)
    arrays = {
        name: _read_array(path, archive, members[f"state/{name}.npy"], MAX_BYTES)
        for name in GameStates._fields
    }
    return Recording(GameStates(**arrays), metadata)


def _read_array(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int
) -> np.ndarray:
    """One array, whose size must agree with the archive's before memory is taken for it."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _odd(path, info, f"compression method {info.compress_type}")
    if info.file_size > min(limit, (info.compress_size + 1) * _MAX_DEFLATE_RATIO):
        raise _odd(path, info, f"a claimed size of {info.file_size:,} bytes")
    with archive.open(info) as stream:
        start = stream.read(len(_MAGIC) + 2)
        if start[:-2] != _MAGIC:
            raise _odd(path, info, "no NumPy header")
        header = stream.read(int.from_bytes(start[-2:], "little"))
        match = _HEADER.fullmatch(header)
        if match is None:
            raise _odd(path, info, f"the header {header[:80]!r}")
        dtype = _dtype(path, info, match[1])
        shape = tuple(int(size) for size in match[2].split(b",") if size.strip())
        count = 1
        for size in shape:
            count *= size
        if len(start) + len(header) + count * dtype.itemsize != info.file_size:
            raise _odd(path, info, f"shape {shape} in {info.file_size:,} bytes")
        data = bytearray()
        while piece := stream.read(_PIECE):  # to its end, where the checksum is compared
            data += piece
    if len(data) != count * dtype.itemsize:
        raise _odd(path, info, f"only {len(data):,} of {count * dtype.itemsize:,} bytes")
    return np.frombuffer(data, dtype).reshape(shape)


_DTYPES = {
    b"<f4": np.dtype(np.float32),
    b"<i4": np.dtype(np.int32),
    b"|b1": np.dtype(np.bool_),
    b"|u1": np.dtype(np.uint8),
}


def _dtype(path: Path, info: zipfile.ZipInfo, code: bytes) -> np.dtype:
    if code not in _DTYPES:
        raise _odd(path, info, f"values of type {code.decode('ascii', 'replace')}")
    return _DTYPES[code]


def _too_large(path: Path, size: int) -> str:
    return (
        f"{path}: {size:,} bytes are more than the {MAX_BYTES:,} that a recording may have; "
        "record fewer games in one file"
    )


def _odd(path: Path, info: zipfile.ZipInfo, found: str) -> RecordingError:
    name = info.filename.removesuffix(".npy")
    return RecordingError(f"{path}: {name} has {found}, as no recording has; record it anew")


def _parse_metadata(path: Path, text: np.ndarray) -> RecordingMetadata:
    try:
        return RecordingMetadata.model_validate_json(text.tobytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        if where == "format_version":
            raise RecordingError(
                f"{path}: expected recording format {FORMAT_VERSION}; upgrade Lucy to read it: "
                "pip install --upgrade lucy-skg"
            ) from error
        raise RecordingError(
            f"{path}: the recording's metadata is not valid: {where}: {first['msg']}"
        ) from error


def _check(path: Path, recording: Recording) -> None:
    """Hold a recording to its contract.

    Raises:
        RecordingError: an array's type, shape or values, or the metadata, do not fit.
    """
    states, metadata = recording
    size = sum(array.nbytes for array in states)
    if size > MAX_BYTES:
        raise RecordingError(_too_large(path, size))
    steps, cars = len(states.episode_start), len(states.car_team)
    if not (steps >= 1 and 1 <= cars <= MAX_CARS):
        raise RecordingError(
            f"{path}: expected at least one step of 1 to {MAX_CARS} cars, got {steps} of {cars}"
        )
    model = allocate(np.ones((1, cars), np.bool_), np.zeros(cars, np.int32))
    for name, array in states._asdict().items():
        want = getattr(model, name)
        shape = want.shape if name == "car_team" else (steps, *want.shape[1:])
        if array.shape != shape or array.dtype != want.dtype:
            raise RecordingError(
                f"{path}: state/{name} is {array.dtype} {list(array.shape)}, "
                f"expected {want.dtype} {list(shape)}"
            )
    for name, array in states._asdict().items():
        if array.dtype == np.float32 and not np.isfinite(array).all():
            raise RecordingError(f"{path}: state/{name} holds values that are not finite")
        if array.dtype == np.bool_ and array.view(np.uint8).max() > 1:
            raise RecordingError(f"{path}: state/{name} holds flags that are neither 0 nor 1")
    team = states.car_team
    if not np.isin(team, (BLUE, ORANGE)).all() or (np.diff(team) < 0).any():
        raise RecordingError(
            f"{path}: state/car_team is {team.tolist()}, expected {BLUE} for the blue cars first, "
            f"then {ORANGE} for the orange"
        )
    _check_games(path, states, metadata)


def _check_games(path: Path, states: GameStates, metadata: RecordingMetadata) -> None:
    at = 0
    for index, game in enumerate(metadata.games):
        if game.start != at or game.stop <= game.start or game.stop > len(states.episode_start):
            raise RecordingError(
                f"{path}: game {index} is said to be steps {game.start} to {game.stop}; expected "
                f"games one after another in {len(states.episode_start)} steps"
            )
        if len(game.players) != len(states.car_team):
            raise RecordingError(
                f"{path}: game {index} names {len(game.players)} players for "
                f"{len(states.car_team)} cars"
            )
        if not states.episode_start[game.start]:
            raise RecordingError(f"{path}: game {index} does not begin with an episode's start")
        at = game.stop
    if at != len(states.episode_start):
        raise RecordingError(
            f"{path}: the games end at step {at}, the recording at {len(states.episode_start)}"
        )
