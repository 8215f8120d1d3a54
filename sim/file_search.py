"""Files that are meant by names, folders and patterns."""

import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_DEEP = re.compile(r"(^|[/\\])\*\*([/\\]|$)" if os.name == "nt" else r"(^|/)\*\*(/|$)")


class FileSearchError(ValueError):
    """A name, folder or pattern stands for no file; the message says what was looked for."""


class Found(NamedTuple):
    """What a search came upon."""

    files: list[Path]
    others: list[Path]  # files with other endings
    unread: list[str]  # folders that could not be searched, and why


def find_files(patterns: Sequence[str], suffixes: Sequence[str], name: str, expected: str) -> Found:
    """The files that names, folders and patterns such as `games/**/*.replay` stand for.

    A folder stands for the files in it and in its sub-folders that end in one of the suffixes,
    in any case. Of what a pattern matches, folders are searched likewise and files with other
    endings left out. A name that exists is taken as it is, whatever its ending and its brackets.

    Args:
        patterns: names, folders and patterns; shells on Windows leave patterns to the program.
        suffixes: endings such as `.replay`.
        name: of what is looked for, for the messages.
        expected: what the patterns may be, for the messages.

    Returns:
        Every file once, in the order of the patterns and, for each, of their names.

    Raises:
        FileSearchError: one of them stands for no file.
    """
    files: dict[tuple[int, int] | Path, Path] = {}
    found = Found([], [], [])
    for pattern in patterns:
        here = _find(pattern, suffixes)
        if not here.files:
            reason = _nothing(pattern, here, suffixes, name)
            raise FileSearchError(f"{pattern or repr(pattern)}: {reason}; expected {expected}")
        for file in here.files:
            files.setdefault(_identity(file), file)
        found.others.extend(here.others)
        found.unread.extend(here.unread)
    found.files.extend(files.values())
    return found


def search_folder(folder: Path, suffixes: Sequence[str]) -> Found:
    """The files in a folder and its sub-folders that end in one of the suffixes, in any case.

    Hidden files and folders are passed over, as are macOS' `._` files; links are followed, and
    no folder is searched twice.

    Returns:
        Files in the order of their paths within the folder.
    """
    found = Found([], [], [])
    for root, names in _walk(folder, found.unread):
        for name in names:
            if not name.startswith("."):
                (found.files if _ends(name, suffixes) else found.others).append(Path(root, name))
    for files in (found.files, found.others):
        files.sort(key=lambda file: file.relative_to(folder).as_posix())
    return found


def _walk(folder: Path | str, unread: list[str]) -> Iterator[tuple[str, list[str]]]:
    """A folder and those below it that are not hidden, each once, and the files in them."""
    seen = set()

    def remember(error: OSError) -> None:
        unread.append(f"{error.filename or folder} ({error.strerror or error})")

    for root, folders, names in os.walk(folder, onerror=remember, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if (identity := _identity(Path(root))) in seen:
            folders.clear()
        else:
            seen.add(identity)
            yield root, names


def _find(pattern: str, suffixes: Sequence[str]) -> Found:
    path = Path(pattern)
    try:
        if pattern and stat.S_ISDIR(path.stat().st_mode):
            return search_folder(path, suffixes)
        return Found([path] if pattern else [], [], [])
    except PermissionError as error:
        return Found([], [], [f"{path} ({error.strerror or error})"])
    except (OSError, ValueError):  # there is no such name, or, on Windows, none can be
        pass
    # Brackets that mean themselves: games[1]/*.replay
    matches = _expand(pattern, suffixes) or _expand(pattern.replace("[", "[[]"), suffixes)
    found = Found([], [], [])
    for match in matches:
        if match.is_dir():
            inside = search_folder(match, suffixes)
            found.files.extend(inside.files)
            found.others.extend(inside.others)
            found.unread.extend(inside.unread)
        else:
            (found.files if _ends(match.name, suffixes) else found.others).append(match)
    return found


def _expand(pattern: str, suffixes: Sequence[str]) -> list[Path]:
    if deep := _DEEP.search(pattern):  # not by glob, which follows links round and round
        roots = glob.glob(pattern[: deep.start()] or deep[0].partition("*")[0] or ".")  # noqa: PTH207
        folders = [folder for root in roots for folder, _ in _walk(root, [])]
        tail = pattern[deep.end() :] or "*"
        nested = (_expand(f"{glob.escape(folder)}/{tail}", suffixes) for folder in folders)
        return sorted(match for matches in nested for match in matches)
    for suffix in suffixes:  # *.replay means GAME.REPLAY too
        if pattern.lower().endswith(suffix):
            letters = (f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in suffix)
            pattern = pattern[: -len(suffix)] + "".join(letters)
    return sorted(Path(name) for name in glob.glob(pattern))  # noqa: PTH207  # absolute patterns too


def _ends(name: str, suffixes: Sequence[str]) -> bool:
    return name.lower().endswith(tuple(suffixes))


def _identity(path: Path) -> tuple[int, int] | Path:
    """Equal for two ways to one file, such as through a link."""
    try:
        status = path.stat()
    except OSError:  # it is gone, or a link to nothing: whoever reads it says so
        return path.absolute()
    return (status.st_dev, status.st_ino) if status.st_ino else path.resolve()


def _nothing(pattern: str, found: Found, suffixes: Sequence[str], name: str) -> str:
    ending = " or ".join(suffixes)
    if found.unread:
        return f"cannot be searched ({'; '.join(found.unread[:3])})"
    if found.others:
        count, first = len({_identity(file) for file in found.others}), found.others[0].name
        if count == 1:
            return f"the only file there, {first}, does not end in {ending}"
        return f"none of the {count:,} files there, such as {first}, ends in {ending}"
    if pattern and os.path.isdir(pattern):  # noqa: PTH112  # which takes names of any length
        return "the folder and its sub-folders are empty"
    return f"no such {name}"
