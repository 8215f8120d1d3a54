"""`lucy.benchmarks.train` measures every variant; the peer's failures are told."""

import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from lucy.agent.config import ConfigError
from lucy.benchmarks import train
from lucy.benchmarks.peer_environment import Peer, PeerError, install

ANSWERS = """
import json, os, sys
from lucy.benchmarks import rlgym_learn_task
assert rlgym_learn_task.__file__.startswith(os.getcwd()), rlgym_learn_task.__file__
sys.stderr.write(sys.argv[1])
print(json.dumps({"ready": True}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"steps": 90, "iteration": 3.0, "collect": 2.0, "update": 1.0}), flush=True)
"""


@pytest.fixture
def peer_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the script that needs rlgym-learn."""
    script = tmp_path / "rlgym_learn_peer.py"
    monkeypatch.setattr(
        "lucy.benchmarks.peer_environment.__file__", str(tmp_path / "peer_environment.py")
    )
    return script


def test_every_variant_is_measured_beside_the_peer(
    peer_script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer_script.write_text(ANSWERS, "utf-8")
    monkeypatch.setattr(train, "install", lambda folder: Path(sys.executable))
    result = train.run(workers=2, rounds=2, peer_folder=tmp_path, arenas=2, batch=64)
    ours = ["MLP, float32", "MLP, bf16", "MLP, bf16, 2 workers"]
    peers = [train.PEER, train.LIGHT_PEER]
    assert [row.name for row in result.rows] == [*ours, *peers]
    for row in result.rows:
        assert 0 < row.overall.low <= row.overall.median <= row.overall.high
        assert row.collected.median > row.overall.median
    for row in result.rows[:3]:
        assert set(row.shares) == set(train.PHASES)
    for row in result.rows[:2]:
        assert 0 < sum(row.shares.values()) <= 1
    for row in result.rows:
        assert list(row.ratios) == peers
    peer = result.rows[3]
    assert (peer.overall.median, peer.collected.median) == (30, 45)
    assert peer.shares == pytest.approx({"update": 1 / 3})
    assert peer.ratios[train.PEER].median == 1
    assert json.loads(json.dumps(dataclasses.asdict(result)))["rounds"] == 2
    console = Console(file=io.StringIO(), width=100)
    train.print_result(console, result)
    assert "rlgym-learn" in console.file.getvalue()


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown preset 'lucy-cpi'.*lucy-cpu"):
        train.run(preset="lucy-cpi")


def test_a_peer_that_ends_early_is_told(peer_script: Path, tmp_path: Path) -> None:
    peer_script.write_text("raise SystemExit('no such thing')", "utf-8")
    with pytest.raises(PeerError, match="rlgym-learn ended early: no such thing"):
        Peer(Path(sys.executable), {}, tmp_path)


def test_a_peer_that_cannot_be_installed_is_told(tmp_path: Path) -> None:
    nowhere = f"lucy-has-no-such-package @ file://{tmp_path}/missing.whl"
    with pytest.raises(PeerError, match=r"cannot install rlgym-learn into .*missing.whl.*network"):
        install(tmp_path / "peer", [nowhere])
