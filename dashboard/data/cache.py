"""A small cache that many viewers share."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Cache:
    """Keeps the newest results; several who ask for the same at once wait for one answer."""

    def __init__(self, size: int) -> None:
        """Keep so many results."""
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._working: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], T], seconds: float = float("inf")) -> T:
        """The result for this key, made anew where there is none or it is too old.

        Args:
            key: what decides the result.
            make: the result; an error is passed on and not kept.
            seconds: that a result holds.
        """
        with self._lock:
            working = self._working.setdefault(key, threading.Lock())
        with working:
            with self._lock:
                made, result = self._kept.get(key, (-float("inf"), None))
                if time.monotonic() - made <= seconds and key in self._kept:
                    self._kept.move_to_end(key)
                    return result
            result = make()
            with self._lock:
                self._kept[key] = time.monotonic(), result
                self._kept.move_to_end(key)
                while len(self._kept) > self._size:
                    gone, _ = self._kept.popitem(last=False)
                    self._working.pop(gone, None)
        return result
