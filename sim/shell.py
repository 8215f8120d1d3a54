"""Commands as text that can be pasted into the shell in use.

POSIX shells, PowerShell and cmd quote differently, and the one that runs this process is found
among its parents. Within cmd's quotes `%NAME%` still stands for a variable: nothing prevents that.
"""

import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

_SHELLS = {"cmd": "cmd", "powershell": "powershell", "pwsh": "powershell"}
_SHELLS |= dict.fromkeys(("sh", "bash", "zsh", "fish", "dash"), "posix")  # on Windows, too
_SAFE = re.compile(r"(?!-)[\w\\/:.=+-]+|--?[\w-]+")  # as it is for PowerShell and cmd
_CLOSES = re.compile("(['\u2018\u2019\u201a\u201b])")  # PowerShell takes them all for quotes


def shell_line(*words: str | Path, shell: str | None = None) -> str:
    """A command that does, pasted into the shell, what its words say.

    Args:
        words: of the command. A `Path` is written so that it cannot be taken for an option or
            for the name of a bot, and `lucy` as it was called where no `PATH` leads to it.
        shell: "posix", "powershell" or "cmd"; default the one in use.
    """
    quote = _QUOTES[shell or shell_in_use()]
    return " ".join(quote(_plain(word)) for word in _as_called(words))


def _as_called(words: tuple[str | Path, ...]) -> tuple[str | Path, ...]:
    called = Path(sys.argv[0])
    by_path = called.name == "lucy" and len(called.parts) > 1
    if words[:1] == ("lucy",) and by_path and shutil.which("lucy") is None:
        return called, *words[1:]
    return words


@cache
def shell_in_use() -> str:
    """Which kind of shell started this process: "posix", "powershell" or "cmd"."""
    return "posix" if os.name == "posix" else _windows_shell()


def _windows_shell() -> str:
    import psutil

    try:
        names = [
            parent.name().lower().removesuffix(".exe") for parent in psutil.Process().parents()
        ]
    except psutil.Error:
        names = []
    return next((_SHELLS[name] for name in names if name in _SHELLS), "powershell")


def _plain(word: str | Path) -> str:
    text = str(word)
    if not isinstance(word, Path) or word.anchor or text == "." or word.parts[0] == "..":
        return text
    if len(word.parts) > 1 and ":" not in text and not text.startswith("-"):
        return text
    return os.path.join(".", text)  # noqa: PTH118  # a Path would drop the dot


def _quote_powershell(word: str) -> str:
    if _SAFE.fullmatch(word):
        return word
    return "'" + _CLOSES.sub(r"\1\1", word) + "'"


def _quote_cmd(word: str) -> str:
    if _SAFE.fullmatch(word):
        return word
    # Programs take backslashes before a quote for its escape
    inner = re.sub(r'(\\*)"', r'\1\1\\"', word)
    return '"' + re.sub(r"(\\+)$", r"\1\1", inner) + '"'


_QUOTES = {"posix": shlex.quote, "powershell": _quote_powershell, "cmd": _quote_cmd}
