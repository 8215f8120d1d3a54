"""Waiting for what happens, however long a busy machine takes for it."""

import time
from collections.abc import Callable

HANG = 900.0  # s: after so long a test does not wait any more, it hangs


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Return as soon as something has happened.

    Args:
        happened: whether it has; may raise when it no longer can.
        what: the sentence that says it.
    """
    deadline = time.monotonic() + HANG
    while not happened():
        assert time.monotonic() < deadline, f"still not true after {HANG:g} s: {what}"
        time.sleep(0.01)
