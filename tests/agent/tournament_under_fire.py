"""The processes of the test under fire: tournaments that are played until they are killed."""

import os
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


def fork(store: str) -> None:
    """A process that plays for every line of the input; its number on the output."""
    small()  # imports what is put off until then
    for _ in sys.stdin:
        process = os.fork()
        if process == 0:
            play(store)
            os._exit(0)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    {"fork": fork, "play": play}[sys.argv[1]](sys.argv[2])
