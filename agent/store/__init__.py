"""The store: what trainings, matches and ratings leave behind, in one database.

`Store` writes; `lucy.agent.store.readers` reads into data frames. Neither imports torch.
"""

from .connection import StoreError, StoreUrlError, check_url, shown_url
from .store import RunWriter, Store
from .values import (
    FIXED,
    STATISTICS,
    ComponentStatistics,
    Goal,
    Iteration,
    Match,
    Rating,
    RecordingEntry,
    RunStatus,
)

__all__ = [
    "FIXED",
    "STATISTICS",
    "ComponentStatistics",
    "Goal",
    "Iteration",
    "Match",
    "Rating",
    "RecordingEntry",
    "RunStatus",
    "RunWriter",
    "Store",
    "StoreError",
    "StoreUrlError",
    "check_url",
    "shown_url",
]
