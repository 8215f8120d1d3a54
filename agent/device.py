"""Where the network is computed."""

import contextlib
from typing import Any

import torch

from .config import ConfigError


def autocast(device: torch.device, *, bf16: bool) -> contextlib.AbstractContextManager[Any]:
    """Within it operators that gain by it compute in bfloat16, or none of them does."""
    if not torch.amp.is_autocast_available(device.type):
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


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
