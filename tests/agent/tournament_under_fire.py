"""The process of the test under fire: a tournament that is played until it is killed."""

import sys
from dataclasses import replace

from rich.console import Console

from lucy.agent.store import Store
from lucy.agent.tournament import Tournament, arrange
from lucy.agent.tournament_report import keep_ratings, play_with_progress, report


def small() -> Tournament:
    """Three pairings of 42 games in batches of 20, 20 and 2."""
    return replace(arrange(["chaser", "random", "idle"], games=42, seed=5), seconds=6.0)


def play(store: str) -> None:
    """What the command does."""
    with Store.open(store) as opened:
        play_with_progress(small(), opened, Console(quiet=True))
        keep_ratings(report(small(), opened), opened)


if __name__ == "__main__":
    small()  # imports what is put off until then
    print("playing", flush=True)
    play(sys.argv[1])
