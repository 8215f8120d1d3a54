"""The process that rates a checkpoint while its training goes on: `python -m` this module.

It reads one job as JSON from its input and writes the result to the file that the job names.
When its input ends, so has the training, and the process ends too.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

ABANDONED = 3  # exit code
_SHARE = 0.05  # of all cores' time that play takes at most
_STRETCH = 0.25  # s of a core's time from one pause to the next


@dataclass(frozen=True)
class RatingJob:
    """What to play, and what was played before."""

    folder: str  # of the checkpoints
    checkpoint: str  # its name there
    steps: int  # agent-steps of it
    past: list[str]  # names of checkpoints that it plays
    anchors: list[str]  # bots that it plays
    modes: list[str]
    games: int  # against each opponent
    seconds: float  # of a game
    seed: int
    history: list["PlayedPairing"]
    store: str | None
    run: int | None  # its number in the store
    result: str  # the file


class PlayedPairing(NamedTuple):
    """Games of a rated checkpoint against one opponent."""

    steps: int
    bot: str  # the checkpoint's name in its folder, so that a run may be moved
    opponent: str  # likewise, or an anchor's
    mode: str
    goals: list[list[int]]  # [G,2]


def main() -> None:
    """Do one job."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training's to answer
    _let_others_go_first()  # before what is slow to import
    text = sys.stdin.readline()
    if not text:
        return
    threading.Thread(target=_end_with_the_training, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    settings = json.loads(text)
    history = [PlayedPairing(*line) for line in settings.pop("history")]
    job = RatingJob(**settings, history=history)
    result = rate_checkpoint(job)
    path = Path(job.result)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(result), "utf-8")
    temporary.replace(path)


def _let_others_go_first() -> None:
    """Run when a core is idle, and leave it as soon as somebody else wants it."""
    if sys.platform != "win32":  # where it was started so
        os.nice(19)
    if sys.platform == "linux":  # where a nice process makes others wait, if for a short time
        with contextlib.suppress(OSError):  # some containers refuse it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _end_with_the_training() -> None:
    sys.stdin.read()
    os._exit(ABANDONED)


def rate_checkpoint(job: RatingJob) -> dict[str, Any]:
    """Play the job's games, and rate by them and the history.

    Returns:
        `pairings`, the new `PlayedPairing`s; `ratings`, mode -> [mu, sigma]; and `error`, what
        kept them from the store, or None. All as JSON.
    """
    from ..sim.processors import usable_processors
    from .match import play
    from .match_report import to_matches
    from .opponents import make_bot

    folder = Path(job.folder)
    bot = make_bot(str(folder / job.checkpoint))
    opponents = {name: make_bot(str(folder / name)) for name in job.past}
    opponents |= {name: make_bot(name) for name in job.anchors}
    new: list[PlayedPairing] = []
    matches = []
    pause = _pauses(usable_processors())
    for mode in job.modes:
        for name, opponent in opponents.items():
            result = play(
                bot,
                opponent,
                mode=mode,
                games=job.games,
                seed=job.seed,
                seconds=job.seconds,
                threads=1,
                on_progress=lambda share: pause(),
            )
            goals = result.figures["goals"].tolist()
            new.append(PlayedPairing(job.steps, job.checkpoint, name, mode, goals))
            matches += to_matches(result, job.seed)
    ratings = {mode: _rating(job.checkpoint, mode, [*job.history, *new]) for mode in job.modes}
    games = job.games * len(opponents)
    error = _keep(job, bot.name, games, matches, ratings) if job.store else None
    return {"pairings": new, "ratings": ratings, "error": error}


def _pauses(cores: int) -> Callable[[], None]:
    """What keeps play to its share of the cores' time, if it is called again and again.

    The idle priority alone does not: a training has moments at which one core waits for the
    other, and play in those slows the other, by the caches that they share.
    """
    rest = max(1 / (_SHARE * cores) - 1, 0.0)  # s for each that was played
    begun = time.process_time()

    def pause() -> None:
        nonlocal begun
        played = time.process_time() - begun
        if played >= _STRETCH:
            time.sleep(rest * played)
            begun += played

    return pause


def _rating(bot: str, mode: str, played: Iterable[PlayedPairing]) -> tuple[float, float]:
    """The mu and sigma of a bot."""
    import numpy as np

    from .ratings import rate
    from .standings import Pairing

    of_mode = [pairing for pairing in played if pairing.mode == mode]
    names = sorted({name for pairing in of_mode for name in (pairing.bot, pairing.opponent)})
    pairings = [
        Pairing(names.index(pairing.bot), names.index(pairing.opponent), np.array(pairing.goals))
        for pairing in of_mode
    ]
    rating = rate(names, pairings, mode)[names.index(bot)]
    return rating.mu, rating.sigma


def _keep(
    job: RatingJob, bot: str, games: int, matches: Sequence[Any], ratings: dict[str, Any]
) -> str | None:
    """Add matches and ratings to the store; what kept them from it."""
    from .store import Rating, Store, StoreError

    assert job.store is not None
    try:
        with Store.open(job.store) as store:
            store.add_matches(matches)
            store.add_ratings(
                Rating(bot, mode, mu, sigma, games, job.run, job.steps)
                for mode, (mu, sigma) in ratings.items()
            )
    except StoreError as error:
        return str(error)
    return None


def as_json(job: RatingJob) -> str:
    """One line for the input of the process."""
    return json.dumps(asdict(job)) + "\n"


if __name__ == "__main__":
    main()
