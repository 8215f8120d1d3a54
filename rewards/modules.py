"""A user's own modules: where they lie, what of the user's they import, and their import.

Those beside the reward file and in the current folder are the user's own: their sources are
kept with a run. Whatever is installed stays where it is; of it only a hash is kept.
"""

import ast
import hashlib
import importlib
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_LOCK = threading.RLock()  # a dashboard's threads read rewards side by side


class Source(NamedTuple):
    """A module's file, as it was read."""

    file: str
    text: bytes

    @property
    def is_package(self) -> bool:
        """Whether it is a package's `__init__.py`."""
        return Path(self.file).name == "__init__.py"


def own_sources(module: str, folder: Path | None) -> dict[str, Source]:
    """The sources of a module and of all that it imports, as far as they are the user's own.

    Args:
        module: its dotted name.
        folder: of the reward file, which comes first; the current one comes after all that is
            installed.

    Returns:
        By the modules' names; nothing where the module itself is none of the user's own.

    Raises:
        OSError: a file cannot be read.
    """
    found: dict[str, Source] = {}
    waiting = list(_with_packages(module))
    while waiting:
        name = waiting.pop()
        file = None if name in found else _own_file(name, folder)
        if file is not None:
            found[name] = Source(str(file), file.read_bytes())
            waiting += _imports(name, found[name])
    return found if module in found else {}


def place(name: str, source: Source) -> str:
    """Where a module's file belongs below a folder that it is imported from."""
    return name.replace(".", "/") + ("/__init__.py" if source.is_package else ".py")


def installed_hash(module: str) -> str:
    """SHA-256 of an installed module's source, or nothing where it has none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return "" if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()


def import_module(name: str, folder: Path | None, own: Mapping[str, Source]) -> ModuleType:
    """Import a module.

    Args:
        name: of it.
        folder: of the reward file.
        own: what `own_sources` gave. These modules are run from this text, whatever was imported
            under their names before, and are not left behind.
    """
    finder = _Finder(own)
    with _LOCK, _also_in(folder):
        before = {other: sys.modules.pop(other) for other in own if other in sys.modules}
        sys.meta_path.insert(0, finder)
        try:
            return importlib.import_module(name)
        finally:
            sys.meta_path.remove(finder)
            for other in own:
                sys.modules.pop(other, None)
            sys.modules.update(before)


class _Finder(MetaPathFinder, Loader):
    """Imports modules from sources in memory: no bytecode of an earlier text comes between."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        source = self._sources.get(name)
        if source is None:
            return None
        below = [str(Path(source.file).parent)] if source.is_package else None
        return spec_from_file_location(
            name, source.file, loader=self, submodule_search_locations=below
        )

    def exec_module(self, module: ModuleType) -> None:
        source = self._sources[module.__name__]
        exec(compile(source.text, source.file, "exec"), module.__dict__)


@contextmanager
def _also_in(folder: Path | None) -> Iterator[None]:
    """Import from these folders as well, after all others."""
    added = [str(folder.resolve())] if folder is not None and folder.is_dir() else []
    added.append(str(Path.cwd()))
    sys.path.extend(added)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for path in added:
            sys.path.remove(path)


def _own_file(name: str, folder: Path | None) -> Path | None:
    if folder is not None and (file := _file(name, folder)):
        return file
    file = _file(name, Path.cwd())
    return file if file and not _is_installed(name.partition(".")[0], Path.cwd()) else None


def _file(name: str, folder: Path) -> Path | None:
    path = folder.resolve().joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in candidates if file.is_file()), None)


def _is_installed(top: str, folder: Path) -> bool:
    """Whether an import takes this name from anywhere else than the folder."""
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return True
    try:
        found = PathFinder.find_spec(top)
    except (ImportError, ValueError):
        return False
    if found is None or found.origin is None:  # a namespace package has no file
        return found is not None and folder / top not in map(
            Path, found.submodule_search_locations or []
        )
    return Path(found.origin).resolve() != _file(top, folder)


def _imports(name: str, source: Source) -> Iterator[str]:
    """The modules that a module names in its imports."""
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError):  # which its import will tell
        return
    package = name if source.is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_packages(alias.name)
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            yield from _with_packages(base)
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _with_packages(name: str) -> Iterator[str]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`."""
    parts = name.split(".")
    yield from (".".join(parts[: i + 1]) for i in range(len(parts)))
