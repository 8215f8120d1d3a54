"""All that the pages read from."""

from dataclasses import dataclass
from pathlib import Path

from .runs import Runs
from .store_view import StoreView


@dataclass(frozen=True)
class Sources:
    """What the pages read from; made once an app."""

    store: StoreView
    runs: Runs
    folder: Path  # of the runs, as commands on the pages name it

    @classmethod
    def of(cls, store: str, folder: Path) -> "Sources":
        """All sources beside this store.

        Args:
            store: its URL or path.
            folder: of the runs and their recordings.
        """
        view = StoreView(store)
        return cls(view, Runs(view), folder)
