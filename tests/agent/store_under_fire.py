"""The processes of the test under fire: `write` until killed, `fork` such writers, `read`."""

import os
import sys
import time
from pathlib import Path

from lucy.agent.store import ComponentStatistics, Goal, Iteration, Match, Store

DIRECTORY = Path("fire")
GOALS = 3


def write(store: str, acknowledged: str, steps: int) -> None:
    """Add iterations and matches for ever; a line of `acknowledged` names each that is stored."""
    with Store.open(store) as opened, Path(acknowledged).open("a", encoding="ascii") as lines:
        run = opened.start_run(DIRECTORY, config={}, resume_after=10**12)
        while True:
            steps += 1
            statistics = ComponentStatistics(float(steps), 1.0, 0.5, 10.0, 20.0, 1.0)
            metrics = {"a": float(steps), f"late/{steps // 50}": 1.0}
            run.add_iterations([Iteration(steps, metrics, {"touch": statistics}, time.time())])
            print(f"iteration {steps}", file=lines, flush=True)
            goals = tuple(Goal(float(second), True, 1000.0) for second in range(GOALS))
            opened.add_matches([Match(("a", "b"), "1v1", steps, 0, True, 300.0, (3, 0), goals)])
            print(f"match {steps}", file=lines, flush=True)


def fork(store: str, acknowledged: str) -> None:
    """A writer for every number of steps on the input; its process on the output.

    A fork of this one has everything imported and begins at once.
    """
    Store.open(store).close()  # imports what SQLAlchemy puts off until then
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            write(store, acknowledged, int(line))
        print(process, flush=True)
        os.waitpid(process, 0)
        print("ended", flush=True)


def read(store: str, stop: str) -> None:
    """Poll what a dashboard polls, and say how many looks were whole."""
    from lucy.agent.store import readers

    looks = steps = 0
    with Store.open(store, create=False) as opened:
        while not Path(stop).exists():
            (run,) = readers.list_runs(opened)
            assert run.steps >= steps, "an iteration that was there is gone"
            steps = run.steps
            curve = readers.read_metrics(opened, run.id, ["a"], points=10**9)
            assert (curve["a"] == curve["steps"]).all()
            assert len(curve) >= run.iterations
            assert (readers.component_statistics(opened, run.id)["positive"] == 10.0).all()
            matches = readers.read_matches(opened)
            assert len(readers.read_goals(opened)) >= GOALS * len(matches)
            looks += 1
            if looks == 1:
                print("looking", flush=True)
            time.sleep(0.05)  # else the machine would be busy with looking
    print(looks)


if __name__ == "__main__":
    mode, path, other, *rest = sys.argv[1:]
    if mode == "write":
        write(path, other, int(rest[0]))
    else:
        {"fork": fork, "read": read}[mode](path, other)
