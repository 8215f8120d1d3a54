"""Says which of the installed packages are not of the version in constraints.txt."""

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

lines = (Path(__file__).parents[1] / "constraints.txt").read_text("utf-8").splitlines()
tested = {
    canonicalize_name(line.name): next(iter(line.specifier)).version
    for line in (Requirement(text) for text in lines if not text.startswith("#"))
    if line.marker is None or line.marker.evaluate()
}
installed = {
    canonicalize_name(package.name): package.version for package in metadata.distributions()
}
own = {"lucy-skg", "pip"}
moved = [
    f"{name} {tested.get(name, 'new')} -> {installed[name]}"
    for name in sorted(installed.keys() - own)
    if Version(installed[name]).public != tested.get(name)
]
print("Moved from constraints.txt: " + (", ".join(moved) or "nothing"))
