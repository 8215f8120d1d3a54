"""What is printed is what stands there, and a suggested command runs as printed."""

import ast
import io
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from lucy.agent import messages
from lucy.agent.messages import (
    LiteralConsole,
    one_line,
    prepare_streams,
    text_column,
    transient_bar,
    visible,
)
from lucy.agent.run_dir import RunDirectory, RunDirectoryError

from .test_cli import SETTINGS, lucy

ROOT = Path(__file__).parents[2]
NAMES = ["my runs [old]/a run", "[/red]", ":smile:", "ünï 走る", "a$b", "trailing ", "{x} 1.5 None"]


@pytest.mark.parametrize("width", [None, 20])
@pytest.mark.parametrize("name", NAMES)
def test_texts_are_printed_as_they_are(name: str, width: int | None) -> None:
    out = io.StringIO()
    options = {} if width is None else {"width": width}
    console = LiteralConsole(out, force_terminal=width is not None, **options)
    command = f"Go on with: lucy train --resume --run-dir {name} --set learner.piece=1 and so on"
    console.print(command)
    console.print(command, style=None)
    assert out.getvalue() == f"{command}\n{command}\n"


@pytest.mark.parametrize("name", NAMES)
def test_names_in_tables_and_bars_are_kept(name: str) -> None:
    out = io.StringIO()
    console = LiteralConsole(out, force_terminal=True, width=200)
    table = Table(name, name, title=f"title {name}")
    table.add_row(name, f"cell {name}")
    console.print(table)
    bar = transient_bar(console)
    bar.add_task(f"bar {name}", total=1)
    console.print(bar.get_renderable())
    plain = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    for text in (name, f"title {name}", f"cell {name}", f"bar {name}"):
        assert text.rstrip() in plain


def test_a_piped_table_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    out, name = io.StringIO(), "/home/someone/" + "long/" * 60 + "run"
    table = Table("")
    table.add_row(name)
    LiteralConsole(out).print(table)
    assert name in out.getvalue()
    monkeypatch.setenv("COLUMNS", "40")
    LiteralConsole(out := io.StringIO()).print(table)
    assert name not in out.getvalue()


def test_control_characters_do_not_reach_the_terminal() -> None:
    out = io.StringIO()
    table = Table("")
    table.add_row("\x1b[2Jcleared")
    console = LiteralConsole(out)
    console.print("a\rb\tc\x1b[31m\x9b1m")
    console.print(table)
    assert r"a\rb\tc\x1b[31m\x9b1m" in out.getvalue()
    assert r"\x1b[2Jcleared" in out.getvalue()
    assert "\x1b" not in out.getvalue()
    assert visible("two\nlines") == "two\nlines"
    assert one_line("two\nlines\x1b") == r"two\nlines\x1b"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("text", ["走る ± → ✔", "caf\udce9", "走る \udce9\udcff ü"])
def test_no_encoding_makes_printing_fail(
    encoding: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    prepare_streams()
    print(text)
    messages.console.print(text)
    stream.flush()
    first, second = raw.getvalue().splitlines()
    assert first == second
    if encoding == "utf-8" and os.name == "posix":
        assert os.fsdecode(first) == text
    known = "".join(letter for letter in text if ord(letter) < 128)
    assert all(letter in first.decode(encoding, "replace") for letter in known)


def test_a_training_suggests_a_command_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = "-my runs [old]/it's a :smile:  $x"
    command = ["train", "--preset", "lucy-cpu", f"--run-dir={run}", "--device", "cpu", *SETTINGS]
    status, out, err = lucy(capsys, *command, "--steps", "64", raw=True)
    assert (status, err) == (0, "")
    assert f"Training 1v1 in {run} on cpu" in out
    suggested = out.partition("See it play: ")[2].splitlines()[0]
    words = shlex.split(suggested)
    assert [words[0], words[1], words[3]] == ["lucy", "match", "chaser"]
    assert Path(words[2]).samefile(tmp_path / run)
    status, out, err = lucy(capsys, *words[1:], "--games", "1", raw=True)
    assert (status, err) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_a_directory_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="name is no text in UTF-8"):
        RunDirectory(tmp_path / "caf\udce9").__enter__()
    assert not list(tmp_path.iterdir())


def test_errors_show_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = lucy(capsys, "match", "[red]x[/red] :smile: \x1b[2J", "idle", raw=True)
    assert status == 1
    assert r"[red]x[/red] :smile: " in err
    assert "\x1b" not in err


@pytest.mark.parametrize("command", ["train", "match", "tournament", "ablate"])
def test_help_keeps_what_stands_in_brackets(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = lucy(capsys, command, "--help")
    said = re.sub(r"[│\s]+", " ", out)
    wanted = {
        "train": "runs/PRESET]",
        "match": "[default: 10]",
        "tournament": "[default: 20]",
        "ablate": "[default: lucy-cpu]",
    }
    assert wanted[command] in said


FILES = sorted(
    file
    for room in ("sim", "rewards", "agent", "benchmarks", "dashboard")
    for file in (ROOT / room).rglob("*.py")
)
_COMMANDS = "ablate|bench|bots|dashboard|demo|export|match|replays|rewards|tournament|train|watch"
_INTERPOLATED = re.compile(rf"\blucy (?:{_COMMANDS})\b[^\n.;,]*\0")


def unquoted(source: str) -> list[int]:
    """The lines whose f-strings suggest a command with something in it that nobody quoted."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                part.value if isinstance(part, ast.Constant) else "" if is_quoted(part) else "\0"
                for part in node.values
            )
            found += [node.lineno] if _INTERPOLATED.search(text) else []
    return found


def is_quoted(part: ast.expr) -> bool:
    value = part.value if isinstance(part, ast.FormattedValue) else part
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "shell_line"


def test_unquoted_commands_are_found() -> None:
    assert unquoted("f'see: lucy match {run} chaser'") == [1]
    assert unquoted("f'{steps} steps; lucy train --resume --run-dir {run}'") == [1]
    assert not unquoted("f'see: lucy match {shell_line(run)}'")
    assert not unquoted("f'{run}: lucy bots list shows all'")


def test_suggested_commands_are_quoted() -> None:
    found = {file: unquoted(file.read_text("utf-8")) for file in FILES}
    assert len(found) > 100
    assert not {file: lines for file, lines in found.items() if lines}


def loose(source: str) -> list[str]:
    """The calls that print what Rich makes of a text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called, given = ast.unparse(node.func), {option.arg for option in node.keywords}
            # A console that is quiet or read by us prints to nobody, and bars of given columns
            # leave out Rich's own, which take markup
            harmless = given & {"quiet", "file"} if called == "Console" else node.args
            if called in ("Console", "Progress", "track") and not harmless:
                found.append(called)
            if called in ("TextColumn", "Text.from_markup", "Prompt.ask"):
                found.append(called)
    return found


def test_all_output_goes_through_the_literal_console() -> None:
    assert loose("Console(); Progress(console=c); Console(quiet=True); TextColumn('{x}')")
    ours = [file for file in FILES if file != ROOT / "agent" / "messages.py"]
    found = {file: loose(file.read_text("utf-8")) for file in ours}
    assert not {file: calls for file, calls in found.items() if calls}


def test_a_column_of_text_takes_no_markup() -> None:
    assert not text_column("{task.description}").markup
    assert isinstance(transient_bar(Console(quiet=True)).columns[0], type(text_column("")))
