"""Custom components: a user's own function, found by its import path.

The function takes what a component sees of one car now and a step before, and its
parameters, which a spec sets by name:

    import numba

    @numba.njit
    def fast_aerial(now, before, height=300.0):
        return now.z / 2044 if now.touched and now.z > height else 0.0

`now` and `before` are `fields.View`s. Numba compiles it with a loop over the cars when the
spec is read, once a process: its machine code cannot be cached, since that loop is made
around a function that is only known then.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numba
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from .fields import View


# Written out: inside a kernel a named tuple cannot be made from a sequence
@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def view(block, i):
    """Column i of a block as a `View`."""
    return View(
        block[0, i], block[1, i], block[2, i], block[3, i], block[4, i], block[5, i],
        block[6, i], block[7, i], block[8, i], block[9, i], block[10, i], block[11, i],
        block[12, i], block[13, i], block[14, i], block[15, i], block[16, i], block[17, i],
        block[18, i], block[19, i], block[20, i], block[21, i], block[22, i], block[23, i],
        block[24, i], block[25, i], block[26, i], block[27, i], block[28, i], block[29, i],
        block[30, i], block[31, i], block[32, i], block[33, i], block[34, i], block[35, i],
        block[36, i], block[37, i], block[38, i], block[39, i], block[40, i],
    )  # fmt: skip


class CustomError(ValueError):
    """A custom component that cannot be used; the message says why."""


class CustomComponent(NamedTuple):
    """A user's function, compiled."""

    name: str  # its import path
    parameters: dict[str, float | None]  # name -> default, None where it has none
    run: Callable[..., None]  # (now, past, parameters, out)


def is_custom(component: str) -> bool:
    """Whether the name is an import path, `module:function`."""
    return ":" in component


def load_custom(path: str, folder: Path | None = None) -> CustomComponent:
    """Import and compile a custom component.

    Args:
        path: `module:function`; the module is looked for as every import, then beside the
            spec, then in the current folder.
        folder: of the spec's file.

    Raises:
        CustomError: it does not import, is no function, or does not compile.
    """
    return _compiled(path, _import(path, folder))


def _import(path: str, folder: Path | None) -> Any:
    module, _, name = path.partition(":")
    if not module or not name.isidentifier():
        raise CustomError(f"{path!r} is no import path: expected 'module:function'")
    try:
        with _also_in([folder, Path.cwd()]):
            function = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the user's module raises
        raise CustomError(
            f"cannot import {path!r}: {type(error).__name__}: {error}; the module must stand "
            "beside the reward file or be installed"
        ) from error
    if not isinstance(function, Dispatcher) and not inspect.isfunction(function):
        raise CustomError(f"{path!r} is {function!r}: expected a function under @numba.njit")
    return function


@contextmanager
def _also_in(folders: list[Path | None]) -> Iterator[None]:
    """Import from these folders as well, after all others."""
    added = [str(folder.resolve()) for folder in folders if folder is not None]
    sys.path.extend(added)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)


@lru_cache(maxsize=64)
def _compiled(path: str, function: Any) -> CustomComponent:
    parameters = _parameters(path, function)
    n = len(parameters)
    compiled = function if isinstance(function, Dispatcher) else numba.njit(function)

    @numba.njit(nogil=True, error_model="numpy")
    def run(now, past, p, out):
        for i in range(out.size):
            out[i] = compiled(view(now, i), view(past, i), *p)  # pyright: ignore[reportCallIssue]

    block = numba.float64[:, ::1]
    kinds: Any = (block, block, numba.typeof((0.0,) * n), numba.float64[::1])
    try:
        run.compile(kinds)
    except NumbaError as error:
        raise CustomError(f"{path!r} does not compile: {_reason(error)}") from error
    return CustomComponent(path, parameters, run)


def _parameters(path: str, function: Any) -> dict[str, float | None]:
    """Those after `now` and `before`, with their defaults."""
    described = inspect.signature(getattr(function, "py_func", function)).parameters.values()
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    if len(described) < 2 or any(one.kind is not plain for one in described):
        raise CustomError(
            f"{path!r} takes ({', '.join(map(str, described))}): expected (now, before) and "
            "parameters by name"
        )
    found: dict[str, float | None] = {}
    for one in list(described)[2:]:
        has_default = one.default is not inspect.Parameter.empty
        found[one.name] = float(one.default) if has_default else None
    return found


def _reason(error: Exception) -> str:
    """The line of Numba's long message that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Failed in", "-", "During", "File"))]
    return " ".join((telling or lines)[:2])
