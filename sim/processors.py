"""How many processors this process may use."""

import contextlib
import math
import os
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")  # a container sees its own there


def usable_processors() -> int:
    """Those of the machine that the process's affinity and its container's limit leave to it."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        allowed = os.cpu_count() or 1
    quota = _quota(_GROUP)
    return allowed if quota is None else max(min(allowed, math.ceil(quota)), 1)


def _quota(group: Path) -> float | None:
    """Processors' time that a control group of Linux, version 2 or 1, may use; None: all."""
    with contextlib.suppress(OSError, ValueError):
        limit, period = (group / "cpu.max").read_text("ascii").split()
        return None if limit == "max" else int(limit) / int(period)
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        limit, period = (int((group / "cpu" / name).read_text("ascii")) for name in names)
        return None if limit <= 0 else limit / period
    return None
