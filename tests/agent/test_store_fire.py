"""The store under fire: its writer is killed again and again while two others read."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from lucy.agent.store import Store
from lucy.agent.store.readers import list_runs, read_goals, read_matches, read_metrics

from ..waiting import HANG, wait_until
from .store_under_fire import DIRECTORY, GOALS

CAN_FORK = os.name == "posix"
KILLS = int(os.environ.get("LUCY_STORE_KILLS", "100" if CAN_FORK else "10"))
WORKER = Path(__file__).with_name("store_under_fire.py")


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", str(WORKER), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def acknowledged(path: Path) -> list[tuple[str, int]]:
    """What the writers said was stored; a line that was cut short was not said."""
    lines = path.read_text("ascii").splitlines(keepends=True) if path.exists() else []
    words = (line.split() for line in lines if line.endswith("\n"))
    return [(kind, int(steps)) for kind, steps in words]


def killer(store: Path, said: Path) -> tuple[Callable[[int, float], None], Callable[[], None]]:
    """A function that starts a writer and kills it soon, and one that ends what it needs."""

    def size() -> int:
        return said.stat().st_size if said.exists() else 0

    def until_it_writes(before: int) -> None:
        wait_until(lambda: size() > before, "the writer writes")

    if not CAN_FORK:

        def kill_started(steps: int, seconds: float) -> None:
            before = size()
            with start("write", store, said, steps) as writer:
                until_it_writes(before)
                time.sleep(seconds)
                writer.kill()

        return kill_started, lambda: None

    parent = start("fork", store, said)
    assert parent.stdin is not None
    assert parent.stdout is not None
    commands, answers = parent.stdin, parent.stdout

    def kill_forked(steps: int, seconds: float) -> None:
        before = size()
        print(steps, file=commands, flush=True)
        process = int(answers.readline())
        until_it_writes(before)
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        assert answers.readline() == "ended\n"

    def end() -> None:
        parent.communicate(timeout=HANG)

    return kill_forked, end


def test_killed_writers_lose_nothing_and_readers_see_only_whole_things(tmp_path: Path) -> None:
    path, said, stop = tmp_path / "lucy.db", tmp_path / "said", tmp_path / "stop"
    with Store.open(str(path)) as store:
        store.start_run(DIRECTORY, config={})
    readers = [start("read", path, stop) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "looking\n"
    kill, end = killer(path, said)
    draw = random.Random(0)
    for _ in range(KILLS):
        newest = max((steps for _, steps in acknowledged(said)), default=0)
        # An iteration that was stored and not said any more is passed over when it comes again
        kill(newest, draw.uniform(0.0, 0.03))
    end()
    stop.touch()
    looks = [int(reader.communicate(timeout=HANG)[0] or 0) for reader in readers]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with Store.open(str(path)) as store:
        (run,) = list_runs(store)
        curve = read_metrics(store, run.id, points=10**9)
        matches, goals = read_matches(store), read_goals(store)
    assert curve["steps"].tolist() == list(range(1, run.iterations + 1))
    promised = acknowledged(said)
    assert len(promised) >= KILLS
    assert {steps for kind, steps in promised if kind == "iteration"} <= set(curve["steps"])
    assert {steps for kind, steps in promised if kind == "match"} <= set(matches["seed"])
    assert (goals.groupby("match_id").size() == GOALS).all()
    assert set(goals["match_id"]) == set(matches["id"])
    print(f"{KILLS} kills, {len(promised)} promises, {looks} looks")
