"""Where the network is computed."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from .config import ConfigError


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


def parse_device(name: str) -> torch.device:
    """The device of a name, "auto" being a GPU where there is one.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        cards = torch.cuda.device_count()
        found = f"{cards} CUDA device(s)" if cards else "no CUDA device"
        raise ConfigError(
            f"cannot use device {name!r}: this machine has the CPU and {found}; "
            "use --device auto or --device cpu"
        ) from error
    return device
