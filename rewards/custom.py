"""Custom components: a user's own function, found by its import path.

The function takes what a component sees of one car now and a step before, and its
parameters, which a spec sets by name:

    import numba

    @numba.njit
    def fast_aerial(now, before, height=300.0):
        return now.z / 2044 if now.touched and now.z > height else 0.0

`now` and `before` are `fields.View`s. Numba compiles it with a loop over the cars when the
spec is read, once a process and text of its module: its machine code cannot be cached, since
that loop is made around a function that is only known then.
"""

import inspect
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import types
from numba.core.dispatcher import Dispatcher

from .errors import RewardError, one_line
from .fields import CAR, View
from .modules import Source, import_module, installed_hash, is_taken, own_sources

_LARGEST = float(np.finfo(np.float32).max)  # of what a reward may be


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


class CustomError(RewardError):
    """A custom component that cannot be used; the message says why."""


class CustomComponent(NamedTuple):
    """A user's function, compiled."""

    name: str  # its import path
    parameters: dict[str, float | None]  # name -> default, None where it has none
    run: Callable[..., int]  # (now, past, parameters, out) -> where it is not finite, or -1
    sources: dict[str, Source]  # of the user's own modules that it is made of
    installed: dict[str, str]  # or the installed module that it is in -> SHA-256

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes as source, which need not have the user's modules."""
        if self.sources:
            return _load, (self.name, None, tuple(self.sources.items()))
        return CustomComponent, tuple(self)

    def pay(
        self, now: np.ndarray, past: np.ndarray, parameters: tuple[float, ...], out: np.ndarray
    ) -> None:
        """Fill `out` for the cars of a block.

        Raises:
            CustomError: the function raised, or gave what is not finite.
        """
        try:
            bad = self.run(now, past, parameters, out)
        except Exception as error:  # whatever the user's function raises
            raise CustomError(f"the component {self.name!r} raised {one_line(error)}") from error
        if bad >= 0:
            raise CustomError(
                f"the component {self.name!r} returned {out[bad]:g}: expected a finite number, not "
                f"above {_LARGEST:.3g}; look at its divisions, roots and logarithms"
            )


def is_custom(component: str) -> bool:
    """Whether the name is an import path, `module:function`."""
    return ":" in component


def load_custom(path: str, folder: Path | None = None) -> CustomComponent:
    """Import and compile a custom component, as its file is now.

    Args:
        path: `module:function`. The module and those in its import statements are looked for
            beside the spec, then among what is installed, then in the current folder. What it
            imports in other ways is looked for among what is installed first, and Python's own
            modules and Lucy's are never taken from a folder.
        folder: of the spec's file.

    Raises:
        CustomError: it does not import, is no function, takes or returns something else than a
            component does, or does not compile.
    """
    module, _, name = path.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), name]):
        raise CustomError(f"{path!r} is no import path: expected 'module:function'")
    try:
        own = own_sources(module, folder)
        custom = _load(path, folder, tuple(own.items()))
        # What it imports in other ways is known now alone, and may have changed since it was read
        own = own_sources(module, folder, also=custom.sources)
    except OSError as error:
        raise CustomError(f"cannot import {path!r}: {one_line(error)}") from error
    return custom if own == custom.sources else _load(path, folder, tuple(own.items()))


@lru_cache(maxsize=64)
def _load(path: str, folder: Path | None, own: tuple[tuple[str, Source], ...]) -> CustomComponent:
    """See `load_custom`; what has these sources is compiled once."""
    module, _, name = path.partition(":")
    try:
        imported, sources = import_module(module, folder, dict(own))
        function = getattr(imported, name)
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        lacks = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        way_out = "; it must stand beside the reward file or be installed" if lacks else ""
        if is_taken(module):
            way_out = "; a module of Python or Lucy has this name: give your file another"
        raise CustomError(f"cannot import {path!r}: {one_line(error)}{way_out}") from error
    if not isinstance(function, Dispatcher) and not inspect.isfunction(function):
        raise CustomError(f"{path!r} is {function!r}: expected a function under @numba.njit")
    parameters = _parameters(path, function)
    installed = {} if own else {module: installed_hash(module)}
    run = _compiled(path, function, len(parameters))
    return CustomComponent(path, parameters, run, sources, installed)


def _compiled(path: str, function: Any, n: int) -> Callable[..., int]:
    """The function in a loop over the cars of a block."""
    compiled = _jitted(function)

    @numba.njit(nogil=True, error_model="numpy")
    def run(now, past, p, out):
        bad = -1
        for i in range(out.size):
            out[i] = 0.0
            if now[CAR, i] > 0:  # else an empty slot, whose states mean nothing
                out[i] = compiled(view(now, i), view(past, i), *p)  # pyright: ignore[reportCallIssue]
            if not abs(out[i]) <= _LARGEST:
                bad = i
        return bad

    block = numba.float64[:, ::1]
    kinds: Any = (block, block, numba.typeof((0.0,) * n), numba.float64[::1])
    try:
        run.compile(kinds)
    except Exception as error:  # not all are Numba's own
        _check_result(path, compiled)
        raise CustomError(f"{path!r} does not compile: {_reason(error)}") from error
    _check_result(path, compiled)
    return run


def _jitted(function: Any) -> Any:
    """The function under Numba, without a cache: that does not see a change in what it calls."""
    if not isinstance(function, Dispatcher):
        return numba.njit(function)
    options = {name: value for name, value in function.targetoptions.items() if value is not None}
    return numba.jit(function.py_func, **options)


def _check_result(path: str, compiled: Any) -> None:
    """See that the function, as far as it compiled, always returns one number."""
    if not compiled.nopython_signatures:
        return
    result = compiled.nopython_signatures[-1].return_type
    if isinstance(result, types.Optional):
        raise CustomError(
            f"{path!r} returns nothing on some of its ways: every one needs a `return` with a "
            "number, such as `return 0.0` at the end"
        )
    if isinstance(result, types.NoneType):
        raise CustomError(f"{path!r} returns nothing: expected a number for every car")
    if not isinstance(result, types.Integer | types.Float | types.Boolean):
        raise CustomError(f"{path!r} returns {result}: expected one number for every car")


def _parameters(path: str, function: Any) -> dict[str, float | None]:
    """Those after `now` and `before`, with their defaults."""
    described = inspect.signature(getattr(function, "py_func", function)).parameters.values()
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    if len(described) < 2 or any(one.kind is not plain for one in described):
        raise CustomError(
            f"{path!r} takes ({', '.join(map(str, described))}): expected (now, before) and "
            "parameters by name"
        )
    return {one.name: _default(path, one) for one in list(described)[2:]}


def _default(path: str, parameter: inspect.Parameter) -> float | None:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return None
    if not isinstance(default, int | float | np.number) or not math.isfinite(default):
        raise CustomError(
            f"{path!r}: the parameter {parameter.name!r} has the default {default!r}: expected a "
            "finite number, or no default where the reward file must give one"
        )
    return float(default)


def _reason(error: Exception) -> str:
    """The line of Numba's long message that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Failed in", "-", "During", "File"))]
    return " ".join((telling or lines or [type(error).__name__])[:2])
