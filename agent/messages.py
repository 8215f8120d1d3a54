"""What the commands print: texts as they are, whatever stands in a name or a path.

Rich would take `[old]` for markup, `:smile:` for an emoji and a path for something to colour, and
break a command in the middle. So commands print to `console`, which does none of that; styles
are given as arguments. `lucy.sim.shell` quotes the commands that they suggest.
"""

import codecs
import io
import os
import re
import sys
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_WIDE = 10_000  # columns of an output that nobody reads in a window: nothing is broken there
_ERRORS = "lucy"


class LiteralConsole(Console):
    """Prints every text as it is."""

    def __init__(self, file: IO[str] | None = None, **options: Any) -> None:
        """Print to this file; default the standard output."""
        if "width" not in options and not _has_columns(file or sys.stdout):
            options["width"] = _WIDE
        literal: dict[str, Any] = {
            "markup": False,
            "emoji": False,
            "highlight": False,
            "soft_wrap": True,
        }
        super().__init__(file=file, **literal | options)

    def render_str(self, text: str, **options: Any) -> Text:
        """See Rich; a terminal must not obey what stands in a name."""
        return super().render_str(visible(text), **options)


def visible(text: str) -> str:
    """A text whose control characters, but for line feeds, are written as escapes."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """A text with names in it as one line: their line feeds are written as escapes, too."""
    return visible(text).replace("\n", r"\n")


def text_column(field: str, **options: Any) -> TextColumn:
    """A column of a progress bar that shows a field such as `{task.description}` as it is."""
    return TextColumn(field, markup=False, **options)


def transient_bar(console: Console) -> Progress:
    """A progress bar with the share that is done and the time left, gone at its end."""
    columns = (text_column("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)


def prepare_streams() -> None:
    """Let the standard streams write what their encoding lacks as escapes, rather than fail."""
    codecs.register_error(_ERRORS, _as_far_as_it_goes)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def _as_far_as_it_goes(error: UnicodeError) -> tuple[str | bytes, int]:
    if os.name == "posix":
        try:  # bytes of file names that are no text, as they were
            return codecs.lookup_error("surrogateescape")(error)
        except UnicodeError:
            pass
    return codecs.backslashreplace_errors(error)


def _has_columns(file: IO[str] | None) -> bool:
    return "COLUMNS" in os.environ or (file is not None and file.isatty())


console = LiteralConsole()
