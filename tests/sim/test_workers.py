"""`SimulationWorkers`: a simulation in several processes is the one in this process."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lucy.rewards.errors import RewardError
from lucy.rewards.function import RewardFunction
from lucy.rewards.spec import load_spec
from lucy.sim.actions import ACTION_TABLES
from lucy.sim.engine import ArenaPool
from lucy.sim.observations import LucyObservation
from lucy.sim.resets import random_state
from lucy.sim.simulation import Simulation
from lucy.sim.termination import EpisodeEnds
from lucy.sim.vec_env import RocketLeagueVecEnv
from lucy.sim.workers import SimulationWorkers, WorkerError

from ..waiting import HANG

MODES = ["1v1", "3v3", "2v2", "1v1", "1v1"]
TABLE = ACTION_TABLES["kbm"]


def build(modes: Sequence[str], timeout: float = 2.0) -> Simulation:
    pool = ArenaPool(modes, threads=1)
    return Simulation(
        pool,
        RewardFunction(load_spec("lucy-skg"), pool.states),
        LucyObservation(pool.states, max_players=6),
        TABLE,
        random_state,
        EpisodeEnds(len(modes), timeout=timeout),
    )


def fail_here(modes: Sequence[str]) -> Simulation:
    if len(modes) == 2:
        raise ValueError("no 2 arenas wanted")
    return build(modes)


def fail_there(modes: Sequence[str]) -> Simulation:
    if len(modes) == 3:
        raise ValueError("no 3 arenas wanted")
    return build(modes)


def workers(processes: int, make=build) -> SimulationWorkers:
    return SimulationWorkers(make, MODES, TABLE, (8, 64), processes)


def test_any_number_of_processes_plays_the_same() -> None:
    here = RocketLeagueVecEnv(build(MODES), seed=3)
    there = [RocketLeagueVecEnv(workers(processes), seed=3) for processes in (2, 3)]
    rng = np.random.default_rng(0)
    expected = here.reset()
    for env in there:
        np.testing.assert_array_equal(env.simulation.car_mask, here.simulation.car_mask)
        np.testing.assert_array_equal(env.reset(), expected)
    ended = 0
    for _ in range(100):
        actions = rng.integers(0, TABLE.nvec, (here.num_envs, 5))
        expected = here.step(actions)
        ended += expected[2].sum()
        for env in there:
            step = env.step(actions)
            for ours, theirs in zip(step[:3], expected[:3], strict=True):
                np.testing.assert_array_equal(ours, theirs)
            for info, other in zip(step[3], expected[3], strict=True):
                assert info.keys() == other.keys()
                if info:
                    last = "terminal_observation"
                    np.testing.assert_array_equal(info[last], other[last])
                    assert info["episode"] == other["episode"]
    assert ended >= 3 * here.num_envs
    collected = here.simulation.collect()
    for env in there:
        for ours, theirs in zip(env.simulation.collect(), collected, strict=True):
            for name, value in theirs._asdict().items():
                np.testing.assert_allclose(
                    getattr(ours, name), value, rtol=1e-9, atol=1e-9, err_msg=name
                )
        assert env.simulation.collect().game.steps == 0
        env.close()


def test_a_failure_in_a_process_is_told() -> None:
    with pytest.raises(WorkerError, match="ValueError: no 3 arenas wanted"):
        workers(2, fail_there)
    with pytest.raises(ValueError, match="no 2 arenas wanted"):
        workers(2, fail_here)


class Unreadable:
    """Builds where it was made, and cannot be read anywhere else."""

    def __call__(self, modes: Sequence[str]) -> Simulation:
        return build(modes)

    def __reduce__(self):
        return refuse, ()


def refuse() -> None:
    raise RewardError("the component 'own:f' needs a file")


def test_what_cannot_be_read_in_a_process_is_told() -> None:
    with pytest.raises(WorkerError, match=r"the component 'own:f' needs a file$") as failed:
        workers(2, Unreadable())
    assert isinstance(failed.value.failure, RewardError)


def test_a_process_that_was_killed_is_told() -> None:
    env = RocketLeagueVecEnv(workers(2), seed=0)
    env.reset()
    os.kill(env.simulation._processes[0].pid, signal.SIGTERM)
    with pytest.raises(WorkerError, match="has ended with exit code"):
        for _ in range(100):
            env.step(np.ones((env.num_envs, 5), np.int64))
    env.close()


SCRIPT = """
import multiprocessing
from types import SimpleNamespace

from lucy.sim.actions import ACTION_TABLES
from lucy.sim.workers import SimulationWorkers

def build(modes):
    if multiprocessing.parent_process() is not None:
        raise ValueError("built")
    return SimpleNamespace()

{guard}SimulationWorkers(build, ["1v1"] * 3, ACTION_TABLES["kbm"], (8, 64), 3)
"""


@pytest.mark.parametrize(
    ("guard", "message"),
    [
        ("", 'must stand under `if __name__ == "__main__":`. Or ask for 1 process'),
        ('if __name__ == "__main__": ', "ValueError: built"),
    ],
)
def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path, guard: str, message: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(guard=guard), "utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 1
    assert message in done.stderr.strip().splitlines()[-1]
    assert "was killed" not in done.stderr


def test_close_ends_the_processes_even_twice() -> None:
    pair = workers(2)
    processes = list(pair._processes)
    pair.close()
    assert [process.exitcode for process in processes] == [0]
    pair.close()


def test_processes_load_no_torch() -> None:
    code = "import lucy.agent.simulation, sys; sys.exit('torch' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
