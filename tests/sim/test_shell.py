"""Commands that are suggested say, pasted into a shell, what is meant."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lucy.sim import shell
from lucy.sim.shell import shell_line

NASTY = [
    "my runs [old]/a run",
    'it\'s "x"',
    "ünï 走る",
    "-dash",
    "--run-dir",
    "[/red]",
    ":smile:",
    "a$b `c` %d% !e",
    "back\\slash",
    "two\nlines",
    "trailing ",
    "~home",
    "a;b & c | d > e",
    "#1",
    "*?",
    "chaser",
    "nexto:beta=0.5",
    "../-up/x",
    "a:b/c",
    "-a/b",
]


@pytest.mark.parametrize("name", NASTY)
def test_a_path_comes_through_and_reads_as_nothing_else(name: str) -> None:
    words = shlex.split(shell_line("lucy", "match", Path(name), "chaser", shell="posix"))
    assert words[:2] == ["lucy", "match"]
    assert Path(words[2]) == Path(name)
    assert "/" in words[2]  # so it is no bot's name
    assert ":" not in words[2].partition("/")[0]  # nor one of a bot with settings
    assert not words[2].startswith("-")  # and no option
    assert words[3:] == ["chaser"]


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh here")
def test_a_shell_takes_the_line_as_it_was_meant() -> None:
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    line = shell_line(sys.executable, "-c", code, *NASTY, "", "a\udcffb", shell="posix")
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    assert json.loads(done.stdout) == [*NASTY, "", "a\udcffb"]


@pytest.mark.parametrize(
    ("word", "powershell", "cmd"),
    [
        (r"runs\a-1", r"runs\a-1", r"runs\a-1"),
        ("--run-dir", "--run-dir", "--run-dir"),
        ("ünï", "ünï", "ünï"),
        (r"C:\my runs\x", r"'C:\my runs\x'", r'"C:\my runs\x"'),
        ("it's", "'it''s'", '"it\'s"'),
        ("it\u2019s", "'it\u2019\u2019s'", '"it\u2019s"'),
        ("a$b`c", "'a$b`c'", '"a$b`c"'),
        ("a & b", "'a & b'", '"a & b"'),
        ("a,b", "'a,b'", '"a,b"'),
        ("-x.y", "'-x.y'", '"-x.y"'),
        ("the end\\", "'the end\\'", '"the end\\\\"'),
        ("", "''", '""'),
    ],
)
def test_windows_shells_are_quoted_for(word: str, powershell: str, cmd: str) -> None:
    assert shell_line(word, shell="powershell") == powershell
    assert shell_line(word, shell="cmd") == cmd


@pytest.mark.parametrize(
    ("parents", "found"),
    [
        (["lucy.exe", "pwsh.exe", "WindowsTerminal.exe"], "powershell"),
        (["python.exe", "lucy.exe", "cmd.exe", "powershell.exe"], "cmd"),
        (["lucy.exe", "bash.exe"], "posix"),
        (["explorer.exe"], "powershell"),
    ],
)
def test_the_shell_is_found_among_the_parents(
    parents: list[str], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    class Parent:
        def __init__(self, name: str) -> None:
            self.name = lambda: name

    monkeypatch.setattr(psutil.Process, "parents", lambda self: [Parent(name) for name in parents])
    assert shell._windows_shell() == found


@pytest.mark.skipif(os.name != "posix", reason="of Linux and macOS")
def test_here_it_is_posix() -> None:
    assert shell_line("a b") == "'a b'"


def test_lucy_is_named_as_it_was_called_where_the_shell_would_not_find_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [".venv/bin/lucy", "demo"])
    assert shell_line("lucy", "demo", shell="posix") == ".venv/bin/lucy demo"
    assert shell_line("lucy", shell="posix") == ".venv/bin/lucy"
    assert shell_line("echo", "lucy", shell="posix") == "echo lucy"
    monkeypatch.setattr("sys.argv", ["/usr/bin/pytest"])
    assert shell_line("lucy", "demo", shell="posix") == "lucy demo"
    (tmp_path / "lucy").touch(0o755)
    monkeypatch.setattr("sys.argv", [".venv/bin/lucy", "demo"])
    assert shell_line("lucy", "demo", shell="posix") == "lucy demo"
