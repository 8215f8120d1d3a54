"""Which files names, folders and patterns stand for, and what is said where there are none."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lucy.sim.file_search import FileSearchError, find_files, search_folder


def found(folder: Path, *patterns: str) -> list[str]:
    files = find_files([str(folder / pattern) for pattern in patterns], (".replay",), "replay", "x")
    return [file.relative_to(folder).as_posix() for file in files.files]


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_folder_is_searched_in_any_case_and_depth(tmp_path: Path) -> None:
    put(tmp_path, "GAME.REPLAY", "sub/a.replay", "sub/deeper/still/b.RePlay", "notes.txt")
    put(tmp_path, ".hidden/c.replay", "sub/._a.replay", ".d.replay")
    assert found(tmp_path, "") == ["GAME.REPLAY", "sub/a.replay", "sub/deeper/still/b.RePlay"]
    assert search_folder(tmp_path, (".replay",)).others == [tmp_path / "notes.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.replay", ["B.REPLAY", "a.replay"]),
        ("*.REPLAY", ["B.REPLAY", "a.replay"]),
        ("*", ["B.REPLAY", "a.replay", "sub/c.replay", "sub/more/d.replay"]),
        ("**/*.replay", ["B.REPLAY", "a.replay", "sub/c.replay", "sub/more/d.replay"]),
        ("**/more", ["sub/more/d.replay"]),
        ("sub/**", ["sub/c.replay", "sub/more/d.replay"]),
        ("s**b/c.replay", ["sub/c.replay"]),
        ("s*/**/?.replay", ["sub/c.replay", "sub/more/d.replay"]),
        ("[ab].replay", ["a.replay"]),
    ],
)
def test_patterns_match_files_and_folders(
    pattern: str, expected: list[str], tmp_path: Path
) -> None:
    put(tmp_path, "a.replay", "B.REPLAY", "sub/c.replay", "sub/more/d.replay", "a.txt")
    assert found(tmp_path, pattern) == expected


def test_patterns_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.replay", "sub/c.replay")
    monkeypatch.chdir(tmp_path)
    for pattern in ("**/*.replay", "./**/*.replay", "**", "."):
        files = find_files([pattern], (".replay",), "replay", "x").files
        assert files == [Path("a.replay"), Path("sub/c.replay")]


def test_brackets_in_names_mean_themselves_where_they_exist(tmp_path: Path) -> None:
    put(tmp_path, "final [4].replay", "[cup]/one.replay", "[cup]/group [1]/two.replay")
    assert found(tmp_path, "final [4].replay") == ["final [4].replay"]
    assert found(tmp_path, "[cup]") == ["[cup]/group [1]/two.replay", "[cup]/one.replay"]
    assert found(tmp_path, "[cup]/*.replay") == ["[cup]/one.replay"]
    assert found(tmp_path, "[cup]/**/two.replay") == ["[cup]/group [1]/two.replay"]


def test_a_file_counts_once_however_it_is_reached(tmp_path: Path) -> None:
    put(tmp_path, "a.replay", "sub/b.replay")
    (tmp_path / "again.replay").symlink_to(tmp_path / "a.replay")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "sub" / "up2").symlink_to(tmp_path)
    assert found(tmp_path, "") == ["a.replay", "sub/b.replay"]
    assert found(tmp_path, "**/*.replay") == ["a.replay", "sub/b.replay"]
    assert found(tmp_path, "sub/b.replay", "sub/../sub/b.replay", "") == [
        "sub/b.replay",
        "a.replay",
    ]


def test_a_named_file_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    put(tmp_path, "backup.old", "a.replay")
    assert found(tmp_path, "backup.old", "a.replay") == ["backup.old", "a.replay"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nowhere", "nowhere: no such replay; expected x"),
        ("*.replay", r"\*.replay: no such replay"),
        ("x" * 5000, "x: no such replay"),
        ("empty", "the folder and its sub-folders are empty"),
        ("texts", "none of the 3 files there, such as a.txt, ends in .replay"),
        ("texts/*", "none of the 3 files there"),
        ("one", "the only file there, a.npz, does not end in .replay"),
    ],
)
def test_where_there_is_none_it_says_what_there_is(
    pattern: str, message: str, tmp_path: Path
) -> None:
    put(tmp_path, "texts/a.txt", "texts/b.txt", "texts/deep/c.txt", "one/a.npz")
    (tmp_path / "empty" / "too").mkdir(parents=True)
    with pytest.raises(FileSearchError, match=message):
        found(tmp_path, pattern)
    with pytest.raises(FileSearchError, match=r"^'': no such replay"):
        find_files([""], (".replay",), "replay", "x")


def test_folders_that_may_not_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "locked/a.replay", "open/b.replay")
    scandir = os.scandir

    def refuse(path: Any) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tmp_path, "") == ["open/b.replay"]
    (unread,) = search_folder(tmp_path, (".replay",)).unread
    assert unread == f"{tmp_path / 'locked'} (Permission denied)"
    with pytest.raises(FileSearchError, match=r"locked: cannot be searched \(.*Permission denied"):
        found(tmp_path, "locked")
