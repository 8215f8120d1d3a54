"""What a command says when it fails: one line, and its traceback on request."""

import errno
import sys
from collections.abc import Callable

import pytest

from lucy.agent import cli
from lucy.agent.errors import LucyError
from lucy.rewards.custom import CustomError
from lucy.rewards.spec import RewardSpecError

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`lucy bots list`, failing with an error: its exit status and what it wrote."""

    def run(error: BaseException, *arguments: str) -> tuple[int, str]:
        def fail() -> None:
            raise error

        monkeypatch.setattr("lucy.agent.opponents.bot_files.installed_bots", fail)
        monkeypatch.setattr("lucy.agent.opponents.registry.installed_bots", fail)
        monkeypatch.setattr(sys, "argv", ["lucy", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (LucyError("no such thing"), "lucy: no such thing\n"),
        (CustomError("the component raised"), "lucy: the component raised\n"),
        (RewardSpecError("a.toml is no reward"), "lucy: a.toml is no reward\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "a.npz"),
            "lucy: a.npz: No space left on device\n",
        ),
        (PermissionError(errno.EACCES, "denied"), "lucy: the system refused: denied\n"),
    ],
)
def test_what_a_user_can_mend_is_one_line(run: Run, error: Exception, line: str) -> None:
    assert run(error, "match", "idle", "nobody") == (1, line)


@pytest.mark.parametrize("error", [KeyError("lost"), ZeroDivisionError("a\nb"), AssertionError()])
def test_a_mistake_of_ours_is_one_line_too(run: Run, error: Exception) -> None:
    status, written = run(error, "match", "idle", "nobody")
    assert status == 1
    assert written.startswith(f"lucy: internal error: {type(error).__name__}")
    assert written.endswith("run it again with --debug and report what it prints\n")
    assert written.count("\n") == 1


def test_too_little_memory_is_said(run: Run) -> None:
    status, written = run(MemoryError("Unable to allocate 9 TiB"), "match", "idle", "nobody")
    assert (status, written.count("\n")) == (1, 1)
    assert written.startswith("lucy: out of memory (MemoryError: Unable to allocate 9 TiB)")


@pytest.mark.parametrize(
    "arguments", [["--debug", "match", "idle", "nobody"], ["match", "idle", "nobody", "--debug"]]
)
def test_the_traceback_is_shown_on_request(run: Run, arguments: list[str]) -> None:
    status, written = run(LucyError("no such thing"), *arguments)
    assert status == 1
    assert written.startswith("Traceback (most recent call last)")
    assert written.endswith("lucy: no such thing\n")


def test_an_interrupted_command_ends_as_ever(run: Run) -> None:
    status, _ = run(KeyboardInterrupt(), "match", "idle", "nobody")
    assert status == 130
