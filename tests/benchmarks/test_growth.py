"""`lucy.benchmarks.growth` measures every variant."""

import io

from rich.console import Console

from lucy.benchmarks import growth


def test_every_variant_is_measured() -> None:
    result = growth.run(arenas=[2, 4], rounds=1)
    assert [row.arenas for row in result.arenas] == [2, 4]
    assert result.processes[0].processes == 1
    for row in [*result.arenas, *result.processes]:
        assert row.microseconds.median > 0 and 0 < row.environment_share < 1
    assert result.arenas[0].ratio.median > 0 and result.arenas[1].ratio.median == 1
    # An arena of RocketSim takes more than a megabyte
    assert result.arenas[1].megabytes > 4
    costs = {row.frames: row.microseconds.median for row in result.windows}
    assert list(costs) == list(growth.WINDOWS)
    assert min(costs.values()) > 0
    console = Console(file=io.StringIO(), width=100)
    growth.print_result(console, result)
    assert "by window" in console.file.getvalue()
