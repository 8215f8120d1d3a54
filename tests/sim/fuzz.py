"""Mutated files for the loaders: a seed file damaged in the ways that files are damaged."""

import re
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np

from lucy.sim.recording import RecordingError, load_recording
from lucy.sim.replay_import import import_replays


class Outcome(NamedTuple):
    """How many mutations a loader took and refused, why, and the slowest's seconds."""

    loaded: int
    refused: int
    slowest: float
    reasons: Counter[str]

    def having(self, words: str) -> int:
        """How many were refused for a reason with these words."""
        return sum(count for reason, count in self.reasons.items() if words in reason)


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
    reasons: Counter[str] = Counter()
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
            reasons[str(error).removeprefix(str(scratch))[:40]] += 1
        slowest = max(slowest, time.perf_counter() - start)
    return Outcome(loaded, rounds - loaded, slowest, reasons)


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


REPLAY_MARKS = (b"TAGame.", b"IntProperty", b"NameProperty", b"ArrayProperty", b"StrProperty")
# What modes, fields, teams and players are told by
WORDS = (
    b"ARC_Darc_P",
    b"Archetypes.Ball.",
    b"Archetypes.GameEvent.",
    b"Archetypes.Teams.",
    b"Engine.PlayerReplicationInfo:",
    b"GameInfo_Soccar",
    b"Goals",
    b"MapName",
    b"MatchType",
    b"PlayerTeam",
    b"ReplicatedDemolish",
    b"ReplicatedGamePlaylist",
    b"Team1Score",
    b"TeamSize",
)


CUT_FRAMES, CUT_GOAL = 590, 497  # of the short replay: its first goal, and what follows it


@numba.njit
def _crc(data, crc):
    for byte in data:
        crc ^= np.uint32(byte) << np.uint32(24)
        for _ in range(8):
            top = crc & np.uint32(0x80000000)
            crc = np.uint32(crc << np.uint32(1))
            if top:
                crc ^= np.uint32(0x04C11DB7)
    return crc ^ np.uint32(0xFFFFFFFF)


def sealed(part: bytes) -> bytes:
    """A part of a .replay file behind its size and checksum."""
    crc = _crc(np.frombuffer(part, np.uint8), np.uint32(0x10340DFE))
    return struct.pack("<II", len(part), int(crc)) + part


def cut(data: bytes, frames: int) -> bytes:
    """The first frames of a .replay file."""
    size = int.from_bytes(data[:4], "little")
    head, body = bytearray(data[8 : 8 + size]), data[16 + size :]
    for name in (b"NumFrames\0", b"frame\0"):  # how many there are, and when goals fell
        for found in re.finditer(name + rb".{4}IntProperty\0.{8}", bytes(head), re.DOTALL):
            at = found.end()
            claimed = int.from_bytes(head[at : at + 4], "little")
            number = min(claimed, frames if name == b"NumFrames\0" else CUT_GOAL)
            head[at : at + 4] = struct.pack("<i", number)
    return sealed(bytes(head)) + sealed(body)


def mutate_replay(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage a .replay file, mostly behind valid checksums, where the parser goes on."""
    size = int.from_bytes(data[:4], "little")
    head, body = data[8 : 8 + size], data[16 + size :]
    assert sealed(head) + sealed(body) == data
    kind = rng.integers(5)
    if kind == 0:
        return mutate(data, rng)
    if kind == 4:
        return sealed(_mutate_words(head, rng)) + sealed(_mutate_words(body, rng))
    if kind == 1:
        return sealed(mutate(head, rng, REPLAY_MARKS)) + sealed(body)
    if kind == 2:
        return sealed(head) + sealed(mutate(body, rng, REPLAY_MARKS))
    flipped = bytearray(body)  # a few bits of the play itself
    for at in rng.integers(len(body) // 20, len(body) // 5, rng.integers(1, 4)):
        flipped[at] ^= 1 << int(rng.integers(8))
    return sealed(head) + sealed(bytes(flipped))


def _mutate_words(part: bytes, rng: np.random.Generator) -> bytes:
    """Damage one to three names, or what stands right behind them; the lengths stay."""
    out = bytearray(part)
    present = [word for word in WORDS if word in part]
    for _ in range(rng.integers(1, 4)):
        word = present[rng.integers(len(present))]
        places = [found.start() for found in re.finditer(re.escape(word), part)]
        at = places[rng.integers(len(places))]
        kind = rng.integers(4)
        if kind == 0:  # another word
            other = present[rng.integers(len(present))][: len(word)]
            out[at : at + len(other)] = other
        elif kind == 1:  # letters
            out[at + rng.integers(len(word))] = rng.integers(32, 256)
        elif kind == 2:  # its length
            out[at - 4 : at] = struct.pack("<i", int(rng.choice([0, -1, -40, 1, 500, 2**31 - 1])))
        else:  # its value
            place = at + len(word) + int(rng.integers(1, 40))
            out[place : place + 4] = rng.bytes(4)
    return bytes(out[: len(part)])


def fuzz_replays(seed_file: Path, scratch: Path, rounds: int, seed: int) -> Outcome:
    """Import mutations of a .replay file; each is a recording that loads, or refused in words."""
    rng = np.random.default_rng(seed)
    whole = cut(seed_file.read_bytes(), CUT_FRAMES)
    files = [scratch / f"{index:06d}.replay" for index in range(rounds)]
    for file in files:
        file.write_bytes(mutate_replay(whole, rng))
    loaded, before, slowest = 0, time.perf_counter(), 0.0
    reasons: Counter[str] = Counter()
    for result in import_replays(files, scratch):
        now = time.perf_counter()
        before, slowest = now, max(slowest, now - before)
        result.replay.unlink()
        if result.recording is None:
            assert result.summary
            reasons[re.sub(r"[\d-]+", "N", result.summary)[:110]] += 1
        else:
            load_recording(result.recording)
            result.recording.unlink()
            loaded += 1
    assert not list(scratch.iterdir())
    return Outcome(loaded, rounds - loaded, slowest, reasons)


if __name__ == "__main__":
    # python tests/sim/fuzz.py FILE ROUNDS [SEED]: the long run, on an .npz or a .replay file
    file, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int([*sys.argv, "0"][3])
    with tempfile.TemporaryDirectory() as folder:
        if file.suffix == ".replay":
            outcome = fuzz_replays(file, Path(folder), rounds, seed)
            print(outcome)
            crashed, late = outcome.having("crashed"), outcome.having("processor time")
            print(f"{crashed} crashed their reader, {late} took too much processor time")
        else:
            print(fuzz_recordings(file, Path(folder) / "a.npz", rounds, seed))
