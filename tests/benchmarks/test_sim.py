"""`lucy.benchmarks.sim` measures every variant and hands the environment back as it was."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from lucy.benchmarks import sim


@pytest.fixture(scope="module")
def result() -> sim.SimResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sim, "_SETTLE", 0.1)
        return sim.run(mode="1v1", arenas=2, cores=1, seconds=0.1, window=0.05)


def test_every_variant_is_measured(result: sim.SimResult) -> None:
    assert [row.name for row in result.rows] == [
        "RocketSim raw",
        "Lucy environment",
        "RLGym v2, 1 process",
        "RLGym v2, 2 processes",
    ]
    for row in result.rows:
        speed = row.agent_steps_per_second
        assert 0 < speed.low <= speed.median <= speed.high
    raw, *_, rlgym, _ = result.rows
    assert raw.ratio_to_raw.median == rlgym.ratio_to_rlgym.median == 1


def test_parts_add_up_to_the_step(result: sim.SimResult) -> None:
    parts = {part.name: part.microseconds for part in result.breakdown}
    assert parts["physics"].low > 0 and parts["state read"].low > 0
    *measured, whole, _ = parts.values()
    assert sum(part.low for part in measured) <= whole.high


def test_a_result_is_json_and_prints(result: sim.SimResult) -> None:
    assert json.loads(json.dumps(dataclasses.asdict(result)))["mode"] == "1v1"
    console = Console(file=io.StringIO(), width=100)
    sim.print_result(console, result)
    assert "Lucy environment" in console.file.getvalue()


def test_clocks_are_taken_off_again() -> None:
    lucy = sim._Lucy("1v1", arenas=2, cores=1, seed=0)
    arenas = list(lucy.pool._arenas)
    lucy.parts(0.01)
    assert lucy.pool._arenas == arenas
    assert not vars(lucy.pool).keys() & {"_read", "_unpack"}
    assert "_restart" not in vars(lucy.simulation)
    lucy.close()


def test_a_process_that_ends_early_is_told() -> None:
    together = sim.RlgymProcesses(1, team_size=1, seed=0)
    together._processes[0].terminate()
    with pytest.raises(RuntimeError, match="ended early"):
        together.run(0.1)
