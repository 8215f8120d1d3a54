"""Replays that were dropped on a page: read in a process of their own, and kept for a while."""

import base64
import binascii
import hashlib
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from pathlib import Path

from ...sim.replay_import import import_replays
from ...sim.replays import MAX_REPLAY_BYTES
from .errors import DataError

SECONDS = 900.0  # until a reader counts as hung; a whole game takes 5 on an idle machine

_KEPT = 20  # replays, some megabytes each


class Uploads:
    """Dropped replays as recordings, in a folder that goes when the dashboard ends."""

    def __init__(self, seconds: float = SECONDS) -> None:
        """Give up reading a replay after so many seconds."""
        self._seconds = seconds
        self._folder = Path(tempfile.mkdtemp(prefix="lucy-dashboard-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._kept: OrderedDict[str, tuple[str, Path]] = OrderedDict()
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    def all(self) -> dict[str, tuple[str, Path]]:
        """Name and recording of each, the newest first, by key."""
        with self._lock:
            return dict(reversed(self._kept.items()))

    def add(self, name: str, content: str) -> str:
        """Read a dropped .replay file.

        Args:
            name: that the browser says it has; shown, never used as a path.
            content: as browsers send it, `data:…;base64,…`.

        Returns:
            The key of its recording.

        Raises:
            DataError: it is too large, no replay, or takes too long; or another is being read.
        """
        data = _decoded(content)
        key = hashlib.sha256(data).hexdigest()[:16]
        with self._lock:
            if key in self._kept:
                return key
        if not self._reading.acquire(blocking=False):
            raise DataError("Another replay is being read just now: try again in some seconds.")
        try:
            recording = self._read(key, data)
        finally:
            self._reading.release()
        with self._lock:
            self._kept[key] = Path(name[:120]).name, recording
            while len(self._kept) > _KEPT:
                _, (_, gone) = self._kept.popitem(last=False)
                gone.unlink(missing_ok=True)
        return key

    def _read(self, key: str, data: bytes) -> Path:
        folder = self._folder
        replay = folder / f"{key}.replay"
        replay.write_bytes(data)
        try:
            (result,) = import_replays([replay], folder, workers=1, seconds=self._seconds)
        finally:
            replay.unlink(missing_ok=True)
        if result.recording is None:
            raise DataError(f"The replay {result.summary}. Drop another.")
        return result.recording


def _decoded(content: str) -> bytes:
    head, comma, encoded = content.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise DataError("Nothing was received: drop a .replay file.")
    if len(encoded) > MAX_REPLAY_BYTES * 4 // 3 + 4:
        raise DataError(
            f"The file has over {MAX_REPLAY_BYTES // 2**20} MiB; a replay has a few. Drop another."
        )
    try:
        return base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise DataError("The file arrived damaged: drop it again.") from error
