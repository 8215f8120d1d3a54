"""`lucy bench rewards` measures what it says, and its table and figures agree."""

import io

import pytest
from rich.console import Console

from lucy.benchmarks.rewards import print_result, run


def test_rewards_are_measured_beside_their_twin_and_observations() -> None:
    result = run(mode="1v1", arenas=20, rounds=2)
    rows = {row.name: row for row in result.rows}
    alone, twin = rows["lucy-skg, total alone"], rows["lucy-skg, plain NumPy"]
    assert alone.ratio == 1
    assert twin.ratio == pytest.approx(twin.nanoseconds / alone.nanoseconds)
    necto, whole = rows["necto, total alone"], rows["necto, and its statistics"]
    assert necto.ratio == 1
    assert whole.ratio == pytest.approx(whole.nanoseconds / necto.nanoseconds)
    assert {"nexto, with decomposition", "lucy observation"} <= rows.keys()
    chunks = rows["lucy-skg, chunks of 16"]  # two calls of 20 cars on average
    assert chunks.microseconds_a_call == pytest.approx(chunks.nanoseconds * 20 / 1000)
    out = io.StringIO()
    print_result(Console(file=out, width=120), result)
    assert "plain NumPy" in out.getvalue()
