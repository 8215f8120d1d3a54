"""Replays that keep the processor busy, hang or crash, and those that are only slow."""

import importlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from lucy.sim import replay_import, replay_limits, replays
from lucy.sim.replay_header import ReplayError
from lucy.sim.replay_import import ImportedReplay, import_replays
from lucy.sim.replay_limits import OverTimeError, run_within

BUSY = "while True: pass"


def run(code: str, seconds: float, log: Path) -> int:
    command = [sys.executable, "-I", "-S", "-c", code]
    return run_within(command, seconds, log, dict(os.environ))


def test_a_program_ends_in_its_own_way(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run("import sys; sys.stderr.write('no'); sys.exit(3)", 60, log) == 3
    assert log.read_text() == "no"


def test_a_busy_program_is_ended_and_one_that_waits_is_not(tmp_path: Path) -> None:
    with pytest.raises(OverTimeError):
        run(BUSY, 0.2, tmp_path / "log")
    assert run("import time; time.sleep(3)", 2, tmp_path / "log") == 0


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_limits, "HANG_SECONDS", 0.5)
    with pytest.raises(OverTimeError):
        run("import time; time.sleep(600)", 60, tmp_path / "log")


def test_the_parser_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> int:
        raise OverTimeError

    monkeypatch.setattr(replays, "run_within", never)
    with pytest.raises(ReplayError, match="keeps the parser busy for over 6 s of processor time"):
        replays._parse(tmp_path / "a.replay", tmp_path)


def test_all_that_a_refusal_may_take_is_twenty_seconds() -> None:
    assert replay_limits.PARSER_SECONDS + replay_limits.allowed_seconds(0) == 20


ODD_READERS = """
import json, os, subprocess, sys, time

def hang(connection, scratch, account):
    time.sleep(600)

def crash(connection, scratch, account):
    os._exit(7)

def spin(connection, scratch, account):
    account[0] = time.process_time()
    while True:
        pass

def get_on(connection, scratch, account):
    while True:
        connection.recv_bytes()
        account[0] = began = time.process_time()
        while time.process_time() < began + 1:
            account[1] += 1
        connection.send_bytes(json.dumps([True, "slow"]).encode())

def save_for_long(connection, scratch, account):
    from pathlib import Path
    from lucy.sim.recording import _temporary

    replay, target = json.loads(connection.recv_bytes())
    _temporary(Path(target)).write_bytes(b"half")
    open(target + ".begun", "w").close()
    account[0] = time.process_time()
    while True:
        pass

def leave_a_child(connection, scratch, account):
    replay, target = json.loads(connection.recv_bytes())
    child = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(600)"])
    with open(target + ".part", "w") as file:
        file.write(str(child.pid))
    os.rename(target + ".part", target)
    account[0] = time.process_time()
    while True:
        pass
"""


@pytest.fixture
def odd_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "odd_readers.py").write_text(ODD_READERS, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)  # the processes' too
    monkeypatch.setattr(replay_import, "allowed_seconds", lambda frames: 0.3 + frames)
    yield importlib.import_module("odd_readers")
    sys.modules.pop("odd_readers")


FILES = [Path("a.replay"), Path("b.replay")]


@pytest.mark.parametrize(
    ("reader", "seconds", "reason"),
    [
        ("hang", 0.5, "was not read within 0.5 s"),
        ("crash", 600, "crashed its reader (exit status 7)"),
        (
            "spin",
            600,
            "keeps its reader busy for over 14 s of processor time without getting on; save it "
            "from the game again, or leave it out",
        ),
    ],
)
def test_a_reader_that_hangs_spins_or_dies_costs_one_file(
    reader: str,
    seconds: float,
    reason: str,
    odd_readers: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay_import, "_read_all", getattr(odd_readers, reader))
    results = list(import_replays(FILES, tmp_path, workers=1, seconds=seconds))
    assert results == [ImportedReplay(file, None, reason) for file in FILES]


def test_a_long_game_may_take_longer_while_it_gets_on(
    odd_readers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_import, "_read_all", odd_readers.get_on)
    results = list(import_replays(FILES, tmp_path, workers=1))
    assert [result.summary for result in results] == ["slow", "slow"]


def test_nothing_that_a_reader_started_outlives_it(
    odd_readers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_import, "_read_all", odd_readers.leave_a_child)
    (result,) = import_replays(FILES[:1], tmp_path, workers=1)
    assert result.recording is None
    child = int((tmp_path / "a.npz").read_text())
    for _ in range(1000):  # a kill is not heard at once
        if not _runs(child):
            return
        time.sleep(0.05)
    pytest.fail("the child is still there")


def test_a_reader_that_is_ended_while_it_saves_leaves_nothing(
    odd_readers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_import, "_read_all", odd_readers.save_for_long)
    out = tmp_path / "out"
    out.mkdir()
    (result,) = import_replays(FILES[:1], out, workers=1)
    assert result.recording is None
    assert [file.name for file in out.iterdir()] == ["a.npz.begun"]


def test_what_nobody_foresaw_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("one\nthing")

    monkeypatch.setattr(replay_import, "read_replay", fail)
    read, reason = replay_import._read_one(Path("a.replay"), tmp_path / "a.npz", [0.0, 0.0])
    assert (read, reason) == (False, "cannot be imported (RuntimeError: one thing)")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_only_files_are_opened(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "x.replay", tmp_path / "y.replay"
    os.mkfifo(pipe)
    folder.mkdir()
    opened = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # nobody is to wait if it is opened
    os.write(opened, bytes(1024))
    try:
        for path in (pipe, folder):
            with pytest.raises(ReplayError, match="is no file but a folder, a pipe or a device"):
                replays.read_replay(path)
    finally:
        os.close(opened)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
