"""The store as the dashboard sees it: opened when it is there, and again when it was replaced."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...agent.store import Store, StoreError, shown_url
from .errors import DataError

T = TypeVar("T")

_PATIENCE = 2.0  # s that a page waits for a lock


class StoreView:
    """Reads a store that may come, go and come back while the dashboard runs."""

    def __init__(self, url: str) -> None:
        """Read this store; see `Store.open`."""
        self.url = url
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._file: Any = None

    def read(self, reader: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """What a function of `readers` finds.

        Raises:
            DataError: the store is missing, empty, locked, damaged or of another version, or
                what was asked for is not in it.
        """
        try:
            return reader(self._open(), *arguments, **options)
        except StoreError as error:
            raise DataError(str(error)) from error

    @property
    def shown(self) -> str:
        """What names this store on a command line, without a password."""
        return shown_url(self.url)

    @property
    def identity(self) -> Any:
        """Changes when the file of the store is another one."""
        if "://" in self.url:
            return self.url
        try:
            status = Path(self.url).stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _open(self) -> Store:
        with self._lock:
            file = self.identity
            if self._store is not None and file != self._file:
                self._store.close()
                self._store = None
            if self._store is None:
                self._store = Store.open(self.url, create=False, patience=_PATIENCE)
                self._file = file
            return self._store
