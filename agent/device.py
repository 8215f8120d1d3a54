"""Where the network is computed."""

import contextlib
import logging
import shutil
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from .config import ConfigError

_log = logging.getLogger(__name__)


def autocast(device: torch.device, *, bf16: bool) -> contextlib.AbstractContextManager[Any]:
    """Within it operators that gain by it compute in bfloat16, or none of them does."""
    if not torch.amp.is_autocast_available(device.type):
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


@contextlib.contextmanager
def kept_casts() -> Iterator[None]:
    """Within it `autocast` casts a weight once, not once every time: nothing may change them."""
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Within it a GPU rounds float32 as a CPU does: cuDNN's recurrent kernels take TF32 else."""
    backends: Any = torch.backends
    operators = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    before = [operator.fp32_precision for operator in operators]
    try:
        for operator in operators:
            operator.fp32_precision = "ieee"
        yield
    finally:
        for operator, precision in zip(operators, before, strict=True):
            operator.fp32_precision = precision


def parse_device(name: str) -> torch.device:
    """The device of a name, "auto" being a GPU where one can be used.

    It becomes the current one, since what names no device, such as pinned memory, goes there.
    Why "auto" leaves a GPU aside is logged as a warning.

    Raises:
        ConfigError: no such device here, or it cannot be used; the message says why.
    """
    if name == "auto":
        return _gpu_or_cpu()
    if reason := _unusable(name):
        raise ConfigError(
            f"cannot use device {name!r}: {reason}. This machine has the CPU and {_cards()}; "
            "use --device auto or --device cpu"
        )
    return torch.device(name)


def _gpu_or_cpu() -> torch.device:
    with warnings.catch_warnings(record=True) as said:  # of a driver that is too old, for instance
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    cpu_build = torch.version.cuda is None and torch.version.hip is None
    if available:
        reason = _unusable("cuda")
        if reason is None:
            return torch.device("cuda")
    elif said:
        reason = _first_line(said[0].message)
    elif cpu_build and shutil.which("nvidia-smi"):
        reason = (
            f"PyTorch {torch.__version__} is built for the CPU alone; install one for CUDA as "
            "pytorch.org describes"
        )
    else:
        return torch.device("cpu")
    _log.warning("The GPU is not used, but the CPU: %s.", reason)
    return torch.device("cpu")


def _unusable(name: str) -> str | None:
    """Why not even a small sum can be computed there; None where it can."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            device = torch.device(name)
            if device.type == "cuda":
                torch.cuda.init()
                if device.index is not None:
                    torch.cuda.set_device(device)
            torch.ones(8, device=device).sum().item()  # waits for it
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            # A GPU that PyTorch does not support is warned of first
            return "; ".join(_first_line(part) for part in (error, *(w.message for w in said)))
    for warning in said:
        _log.warning("%s", _first_line(warning.message))
    return None


def _cards() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cards = torch.cuda.device_count()
    return f"{cards} CUDA device(s)" if cards else "no CUDA device"


def _first_line(problem: object) -> str:
    """Of what PyTorch says: the others are for its developers."""
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return textwrap.shorten(lines[0], 300, placeholder=" …").rstrip(".")
