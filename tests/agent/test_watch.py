"""`lucy watch`: what RLViser receives, and what is said where it does not run."""

import contextlib
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lucy.agent.cli import main
from lucy.agent.watch import RLVISER_PORT, SENDER_PORT, Viewer, WatchError
from lucy.sim.state import GameStates

from ..waiting import wait_until

pytest.importorskip("rlviser_py")

GAME_STATE = 1  # RLViser's name of a packet, sent in one byte before it
PLAY = """
from lucy.agent.opponents import make_bot
from lucy.agent.watch import Viewer, play_before
viewer, chaser, idle = Viewer(), make_bot("chaser"), make_bot("idle")
for mode in ("1v1", "2v2"):
    play_before(viewer, chaser, idle, mode=mode, seconds=1.0)
"""


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Have this UDP port, as RLViser has; another run of these tests may hold it for a while."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:

        def bound() -> bool:
            try:
                receiver.bind(("", port))
            except OSError:
                return False
            return True

        wait_until(bound, f"UDP port {port} is free")
        receiver.settimeout(0.2)
        yield receiver


def received(receiver: socket.socket, program: subprocess.Popen[bytes]) -> list[bytes]:
    """The game states that come until the program ends."""
    states, named = [], -1
    while True:
        ended = program.poll() is not None  # asked first: it may send and end in between
        try:
            data = receiver.recv(65536)
        except TimeoutError:
            if ended:
                return states
            continue
        if len(data) > 1 and named == GAME_STATE:
            states.append(data)
        named = data[0] if len(data) == 1 else -1


def test_rlviser_receives_every_step() -> None:
    with listening(RLVISER_PORT) as receiver:
        program = subprocess.Popen([sys.executable, "-c", PLAY])
        states = received(receiver, program)
    assert program.wait() == 0
    ticks = [struct.unpack_from("<Q", state)[0] for state in states]
    assert ticks == list(range(1, 33))  # a kickoff and 15 steps, twice
    assert len(set(states)) == 32
    (one,), (two,) = ({len(state) for state in game} for game in (states[:16], states[16:]))
    assert two > one + 400  # two cars more


def test_rlviser_sets_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(RLVISER_PORT):
        viewer = Viewer()
    paused = iter([True, True, False, False, False])
    slept: list[float] = []
    now = [100.0]

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now[0] += seconds

    monkeypatch.setattr("rlviser_py.get_game_paused", lambda: next(paused))
    monkeypatch.setattr("rlviser_py.get_game_speed", lambda: 2.0)
    monkeypatch.setattr("lucy.agent.watch.time.monotonic", lambda: now[0])
    monkeypatch.setattr("lucy.agent.watch.time.sleep", sleep)
    for _ in range(3):
        viewer._wait()
    assert slept == [0.05, 0.05, 0, 0.033, 0.033]


def test_the_command_shows_a_whole_game(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[int] = []

    class Hurried:
        def show(self, states: GameStates, step: int) -> None:
            shown.append(step)

    monkeypatch.setattr("lucy.agent.watch.Viewer", Hurried)
    monkeypatch.setattr(sys, "argv", ["lucy", "watch", "chaser", "idle", "--seed", "1"])
    with contextlib.suppress(SystemExit):
        main()
    out, err = capsys.readouterr()
    assert err == ""
    assert shown == list(range(4501))
    assert "share of goals" in out


def test_rlviser_does_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lucy.agent.watch.is_taken", lambda port: port == SENDER_PORT)
    monkeypatch.setattr(sys, "argv", ["lucy", "watch", "chaser", "idle"])
    with pytest.raises(SystemExit, match="1"):
        main()
    err = capsys.readouterr().err
    assert err.startswith("lucy: RLViser does not run: nothing listens on UDP port 45243.")
    assert "start it, and run this again" in err


def test_somebody_else_shows_something() -> None:
    with (
        listening(RLVISER_PORT),
        listening(SENDER_PORT),
        pytest.raises(WatchError, match=r"port 34254.*is taken: end the other program"),
    ):
        Viewer()


def test_without_rlviser_py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rlviser_py", None)
    with pytest.raises(WatchError, match=r'pip install "lucy-skg\[rlviser\]"'):
        Viewer()
