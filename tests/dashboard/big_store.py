"""A store of the size that the dashboard's speed is measured on, made up.

python tests/dashboard/big_store.py FOLDER
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, update

from lucy.agent.config import load_preset
from lucy.agent.match import play
from lucy.agent.match_recording import MatchRecording
from lucy.agent.match_report import to_matches
from lucy.agent.opponents import make_bot
from lucy.agent.store import Goal, Match, Rating, RunStatus, Store
from lucy.agent.store.models import Run, RunIteration
from lucy.dashboard.figures.curves import SECTIONS

RUNS, ITERATIONS, COMPONENTS, MATCHES = 200, 5000, 20, 20_000
STEPS = 65_536  # of an iteration
MODES = ("1v1", "2v2", "3v3")
SECONDS = 300.0  # of a recorded game
_RECORDED = 8
_CHUNK = 2000  # matches in a transaction
_RATED_EVERY = 250  # iterations


def make(folder: Path) -> None:
    """Fill `lucy.db` in this folder."""
    random = np.random.default_rng(0)
    with Store.open(str(folder / "lucy.db")) as store:
        for i in range(RUNS):
            _add_run(store, folder / f"run-{i}", i, random)
        bots = ["nexto", "necto", *(f"run-{i}" for i in range(RUNS))]
        for first in range(0, MATCHES, _CHUNK):
            store.add_matches(_match(bots, i, random) for i in range(first, first + _CHUNK))
        store.add_ratings(_ratings(random))
        _record(store, folder)


def _add_run(store: Store, directory: Path, index: int, random: np.random.Generator) -> None:
    metrics = [panel.metric for panels in SECTIONS.values() for panel in panels]
    metrics = [name for name in metrics if "/" in name]
    components = [f"component_{i}" for i in range(COMPONENTS)]
    config = load_preset("lucy-cpu", {"seed": index % 5}).model_dump(mode="json")
    run = store.start_run(directory, config=config, device="cuda").id
    walks = np.cumsum(random.normal(0, 0.01, (ITERATIONS, len(metrics))), axis=0) + 1
    paid = np.abs(random.normal(0.1, 0.02, (ITERATIONS, COMPONENTS, 6)))
    paid[..., 2] /= paid[..., 2].sum(axis=1, keepdims=True)
    started = time.time() - (RUNS - index) * 3600.0
    rows = [
        {
            "run_id": run,
            "number": i,
            "steps": (i + 1) * STEPS,
            "time": started + i * 0.7,
            "metrics": walks[i].astype("<f8").tobytes(),
            "components": paid[i].astype("<f8").tobytes(),
        }
        for i in range(ITERATIONS)
    ]
    told = {
        "metric_names": metrics,
        "component_names": components,
        "steps": ITERATIONS * STEPS,
        "iterations": ITERATIONS,
        "status": RunStatus.FINISHED,
        "started": started,
    }

    def write(connection: Any) -> None:
        connection.execute(insert(RunIteration), rows)
        connection.execute(update(Run).where(Run.id == run).values(**told))

    store.database.write(write)


def _match(bots: list[str], index: int, random: np.random.Generator) -> Match:
    """A quarter are of one pairing, the others of a bot against one of its neighbours."""
    first = 0 if index % 4 == 0 else int(random.integers(len(bots)))
    second = 1 if index % 4 == 0 else (first + int(random.integers(1, 6))) % len(bots)
    score = tuple(random.poisson(2.0, 2).tolist())
    goals = [
        Goal(float(random.uniform(0, SECONDS)), by_first, float(random.uniform(500, 4000)))
        for by_first, scored in ((True, score[0]), (False, score[1]))
        for _ in range(scored)
    ]
    return Match(
        (bots[first], bots[second]),
        MODES[index % 3],
        index,
        0,
        bool(index % 2),
        SECONDS,
        (score[0], score[1]),
        tuple(goals),
        {"touches": (10.0, 12.0)},
    )


def _ratings(random: np.random.Generator) -> list[Rating]:
    moments = range(_RATED_EVERY, ITERATIONS + 1, _RATED_EVERY)
    return [
        Rating(f"run-{i}", mode, 20 + n / 1000 + random.normal(), 1.5, 40, i + 1, n * STEPS)
        for i in range(RUNS)
        for mode in MODES
        for n in moments
    ] + [Rating(bot, mode, 30.0, 1.0, 400) for bot in ("necto", "nexto") for mode in MODES]


def _record(store: Store, folder: Path) -> None:
    bots = make_bot("chaser"), make_bot("random")
    recording = MatchRecording(folder / "games.npz", "3v3", _RECORDED, 5, SECONDS)
    record: Any = recording.recorder.append
    result = play(*bots, mode="3v3", games=_RECORDED, seed=5, seconds=SECONDS, record=record)
    recording.save(result)
    store.add_matches(to_matches(result, 5, store.add_recording(recording.entry(result))))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    make(folder)
