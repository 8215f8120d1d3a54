"""Everybody gets the tested versions: constraints.txt agrees with pyproject.toml."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LINES = [
    line
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}
MACHINES = {"linux": "x86_64", "macos": "arm64", "windows": "AMD64"}


def environment(system: str, python: str) -> dict[str, str]:
    versions = {"python_version": python, "python_full_version": f"{python}.9"}
    return SYSTEMS[system] | {"platform_machine": MACHINES[system]} | versions


def versions_on(environment: dict[str, str]) -> dict[str, str]:
    """The version of each package there."""
    found: dict[str, str] = {}
    for line in map(Requirement, LINES):
        if line.marker is None or line.marker.evaluate(environment):
            assert line.name not in found, f"{line.name} has two versions on {environment}"
            (version,) = line.specifier
            found[canonicalize_name(line.name)] = version.version
    return found


def required() -> Iterator[tuple[str, Requirement]]:
    """What pyproject.toml asks for, and the extra of it."""
    groups = {"": PROJECT["project"]["dependencies"], "build": PROJECT["build-system"]["requires"]}
    groups |= PROJECT["project"]["optional-dependencies"]
    for extra, lines in groups.items():
        for line in lines:
            yield extra, Requirement(line)


@pytest.mark.parametrize(("system", "python"), [*product(SYSTEMS, ["3.11", "3.12"])])
def test_the_tested_versions_are_in_the_ranges_of_pyproject(system: str, python: str) -> None:
    there = environment(system, python)
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(f"{python}.0")
    versions = versions_on(there)
    for extra, wanted in required():
        if wanted.marker is None or wanted.marker.evaluate(there | {"extra": extra}):
            version = versions.get(canonicalize_name(wanted.name), "nothing")
            assert version != "nothing" and wanted.specifier.contains(version, prereleases=True), (
                f"pyproject.toml asks for {wanted}, constraints.txt has {version}: run `make lock`"
            )


def test_nothing_that_is_installed_goes_untested() -> None:
    """What the requirements require in their turn, as far as it is installed here."""
    names = {canonicalize_name(Requirement(line).name) for line in LINES}
    seen: set[tuple[str, str]] = set()
    queue = [(canonicalize_name(wanted.name), "") for _, wanted in required()]
    queue += [(canonicalize_name(r.name), extra) for _, r in required() for extra in r.extras]
    while queue:
        name, extra = queue.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        assert name in names, f"{name} is not in constraints.txt: run `make lock`"
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of an extra that is not installed
            continue
        for needed in map(Requirement, lines):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                follow = canonicalize_name(needed.name)
                queue += [(follow, more) for more in ("", *needed.extras)]


def test_no_line_binds_to_an_index_or_a_build() -> None:
    """`torch==2.13.0` is met by its CPU build too; `torch==2.13.0+cpu` only by that."""
    for line in LINES:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; .+)?", line), line


def test_whoever_installs_from_this_folder_installs_them() -> None:
    commands = []
    for path in (ROOT / "Makefile", ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        text = path.read_text("utf-8").replace("$(PIP)", "pip install -c constraints.txt")
        commands += re.findall(r"^\s+pip install (.*)", text, re.MULTILINE)
    own = [command for command in commands if "lucy-skg" not in command]
    assert len(own) >= 6
    assert all(command.startswith("-c constraints.txt ") for command in own)
