"""All that the pages read from."""

from dataclasses import dataclass
from pathlib import Path

from .matchups import Matchups
from .recordings import Recordings
from .runs import Runs
from .specs import Specs
from .store_view import StoreView
from .uploads import Uploads


@dataclass(frozen=True)
class Sources:
    """What the pages read from; made once an app."""

    store: StoreView
    runs: Runs
    specs: Specs
    uploads: Uploads
    recordings: Recordings
    matchups: Matchups
    folder: Path  # of the runs, as commands on the pages name it

    @classmethod
    def of(cls, store: str, folder: Path) -> "Sources":
        """All sources beside this store.

        Args:
            store: its URL or path.
            folder: of the runs and their recordings.
        """
        view, specs, uploads = StoreView(store), Specs(folder), Uploads()
        recordings = Recordings(view, folder, uploads, specs)
        matchups = Matchups(view, recordings, specs)
        return cls(view, Runs(view), specs, uploads, recordings, matchups, folder)
