"""Mutated files for the loaders: a seed file damaged in the ways that files are damaged."""

import struct
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lucy.sim.recording import RecordingError, load_recording


class Outcome(NamedTuple):
    """How many mutations a loader took and refused, and the seconds that the slowest took."""

    loaded: int
    refused: int
    slowest: float


def mutate(data: bytes, rng: np.random.Generator, marks: tuple[bytes, ...] = ()) -> bytes:
    """Damage a file in one to three of these ways: flipped bits, cut, spliced, huge numbers.

    Args:
        data: the whole file.
        rng: decides.
        marks: byte strings beside which headers are; half of the damage falls there.
    """
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if not out:
            break
        at = _place(out, rng, marks)
        kind = rng.integers(6)
        if kind == 0:
            for place in np.minimum(at + rng.integers(0, 64, rng.integers(1, 9)), len(out) - 1):
                out[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            del out[at : at + int(rng.integers(1, 4096))]
        elif kind == 3:
            source = int(rng.integers(len(data)))
            out[at:at] = data[source : source + int(rng.integers(1, 4096))]
        elif kind == 4:
            number = int(rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 10**6, 10**9]))
            out[at : at + 4] = struct.pack("<I", number)
        else:
            out[at : at + 16] = rng.bytes(16)
    return bytes(out)


def _place(data: bytearray, rng: np.random.Generator, marks: tuple[bytes, ...]) -> int:
    if marks and rng.random() < 0.5:
        mark = marks[rng.integers(len(marks))]
        found = data.find(mark, int(rng.integers(len(data))))
        if found >= 0:
            return min(found + int(rng.integers(len(mark) + 48)), len(data) - 1)
    return int(rng.integers(len(data)))


ZIP_MARKS = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY", b"descr", b"state/")


def fuzz_recordings(seed_file: Path, scratch: Path, rounds: int, seed: int) -> Outcome:
    """Load mutations of a recording; anything but a recording or a RecordingError comes out.

    Half of them are mutated inside the archive, where checksums would hide the damage.
    """
    rng = np.random.default_rng(seed)
    whole = seed_file.read_bytes()
    members = _members(seed_file)
    loaded, slowest = 0, 0.0
    for _ in range(rounds):
        if rng.random() < 0.5:
            scratch.write_bytes(mutate(whole, rng, ZIP_MARKS))
        else:
            _write_members(scratch, members, rng)
        start = time.perf_counter()
        try:
            load_recording(scratch)
            loaded += 1
        except RecordingError as error:
            assert str(scratch) in str(error)
        slowest = max(slowest, time.perf_counter() - start)
    return Outcome(loaded, rounds - loaded, slowest)


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write_members(path: Path, members: dict[str, bytes], rng: np.random.Generator) -> None:
    victim = list(members)[rng.integers(len(members))]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if name == victim:
                at = min(128, len(content))  # the header, or the metadata's beginning
                head, tail = content[:at], content[at:]
                content = mutate(head, rng) + (tail if rng.random() < 0.8 else mutate(tail, rng))
            archive.writestr(name, content)
