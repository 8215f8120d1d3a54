"""A user's own modules: where they lie, what of the user's they import, and their import.

Those beside the reward file and in the current folder are the user's own: their sources are
kept with a run. Whatever is installed stays where it is; of it only a hash is kept.
"""

import ast
import hashlib
import importlib
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_LOCK = threading.RLock()  # a dashboard's threads read rewards side by side
_TAKEN = sys.stdlib_module_names | {*sys.builtin_module_names, __name__.partition(".")[0]}


class Source(NamedTuple):
    """A module's file, as it was read."""

    file: str
    text: bytes

    @property
    def is_package(self) -> bool:
        """Whether it is a package's `__init__.py`."""
        return Path(self.file).name == "__init__.py"


def own_sources(module: str, folder: Path | None, also: Iterable[str] = ()) -> dict[str, Source]:
    """The sources of a module and of all that it imports, as far as they are the user's own.

    Args:
        module: its dotted name.
        folder: of the reward file, which comes first, but for names of Python's own modules and
            Lucy's; the current one comes after all that is installed.
        also: modules that it is known to import in another way than by an import statement.

    Returns:
        By the modules' names; nothing where the module itself is none of the user's own.

    Raises:
        OSError: a file cannot be read.
    """
    found: dict[str, Source] = {}
    waiting = [part for name in (module, *also) for part in _with_packages(name)]
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
    imported = sys.modules.get(module)
    try:  # the loader reads from a zip file as well
        text = imported.__spec__.loader.get_data(imported.__file__)  # pyright: ignore
    except (AttributeError, TypeError, OSError):
        return ""
    return hashlib.sha256(text).hexdigest()


def is_taken(module: str) -> bool:
    """Whether Python itself or Lucy has modules below this name, so that no user's can."""
    return module.partition(".")[0] in _TAKEN


def import_module(
    name: str, folder: Path | None, own: Mapping[str, Source]
) -> tuple[ModuleType, dict[str, Source]]:
    """Import a module.

    Args:
        name: of it.
        folder: of the reward file.
        own: what `own_sources` gave. These modules are run from this text, whatever was imported
            under their names before, and are not left behind.

    Returns:
        The module, and `own` with what else of the user's it has imported.
    """
    if not own:
        with _LOCK, _also_in(folder):
            return importlib.import_module(name), {}
    finder, packages = _Finder(own, folder), _Packages(own)
    with _LOCK, _also_in(folder):
        before = _forget(own)
        sys.meta_path.insert(0, finder)
        sys.meta_path.append(packages)
        try:
            return importlib.import_module(name), finder.sources
        finally:
            sys.meta_path.remove(finder)
            sys.meta_path.remove(packages)
            _forget(finder.sources)
            sys.modules.update(before)


def _forget(own: Mapping[str, Source]) -> dict[str, ModuleType]:
    """Take own modules, and packages of theirs without a file, out of those imported."""
    gone = {
        name: module
        for name in {package for name in own for package in _with_packages(name)}
        if (module := sys.modules.get(name)) is not None
        and (name in own or getattr(module, "__file__", None) is None)
    }
    for name in gone:
        del sys.modules[name]
    return gone


class _Packages(MetaPathFinder):
    """Stands in for packages without an `__init__.py`, where their folder is not here."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._names = {package for name in sources for package in _with_packages(name)}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, None, is_package=True) if name in self._names else None


class _Finder(MetaPathFinder, Loader):
    """Imports modules from sources in memory: no bytecode of an earlier text comes between.

    The user's own that are imported in another way than by an import statement join them.
    """

    def __init__(self, sources: Mapping[str, Source], folder: Path | None) -> None:
        self.sources = dict(sources)
        self._folder = folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        source = self.sources.get(name) or self._read(name, path)
        if source is None:
            return None
        self.sources[name] = source
        below = [str(Path(source.file).parent)] if source.is_package else None
        return spec_from_file_location(
            name, source.file, loader=self, submodule_search_locations=below
        )

    def exec_module(self, module: ModuleType) -> None:
        source = self.sources[module.__name__]
        exec(compile(source.text, source.file, "exec"), module.__dict__)

    def _read(self, name: str, path: Any) -> Source | None:
        """The source of an own module, if that is what an import would take."""
        file = _own_file(name, self._folder)
        found = None if file is None else PathFinder.find_spec(name, path)
        if file is None or found is None or found.origin is None:
            return None
        same = Path(found.origin).resolve() == file.resolve()
        return Source(str(file), file.read_bytes()) if same else None


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
    if is_taken(name):
        return None
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
