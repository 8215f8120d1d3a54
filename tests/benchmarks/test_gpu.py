"""`lucy bench gpu` runs on a CPU too, counts what it says, and trains and resumes."""

import gc
import json
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from lucy.agent.cli import app
from lucy.agent.config import TrainConfig, load_preset
from lucy.agent.model import build_model
from lucy.agent.perceiver import Perceiver, split
from lucy.agent.ppo import AuxPPO
from lucy.benchmarks import gpu, gpu_checks, roofline
from lucy.benchmarks.train import PHASES

SMALL = {
    "environment.arenas": 2,
    "environment.processes": 1,
    "network.width": 16,
    "network.feedforward": 32,
    "auxiliary.segment": 4,
    "ppo.n_steps": 32,
    "ppo.batch_size": 32,
    "ppo.n_epochs": 2,
}


def test_the_whole_command_on_a_cpu(tmp_path: Path) -> None:
    figures, tables = tmp_path / "gpu.json", tmp_path / "gpu.md"
    command = ["bench", "gpu", *(f"--set={key}={value}" for key, value in SMALL.items())]
    command += ["--device=cpu", "--arenas=4", "--rounds=1", "--seconds=2"]
    command += [f"--run-dir={tmp_path / 'run'}", f"--json={figures}", f"--markdown={tables}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found = json.loads(figures.read_text("utf-8"))
    assert len(found["checks"]) == 8 and all(check["passed"] for check in found["checks"])
    assert all(rate > 0 for rate in found["rates"].values())
    float32, bf16 = found["updates"]
    assert float32["equal"] and float32["worst"] < 1e-5
    assert bf16["equal"] and bf16["worst"] > float32["worst"]
    assert set(float32["losses"]) >= {"train/loss", "aux/reward_prediction_loss"}
    settings = [(row["arenas"], row["precision"], row["batch"]) for row in found["variants"]]
    assert settings == [(4, "float32", 32), (4, "bf16", 32), (4, "bf16", 256)]
    assert all(set(row["microseconds"]) == set(PHASES) for row in found["variants"])
    assert [bound["phase"] for bound in found["bounds"]] == ["inference", "gae", "update"]
    training = found["training"]
    assert training["games_go_on"] and 0 < training["steps"] < training["resumed_steps"]
    assert "## Least time, µs an agent-step" in tables.read_text("utf-8")


def test_a_check_that_fails_is_shown_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(config: TrainConfig, device: torch.device, precision: str) -> str:
        warnings.warn(f"{precision} is slow here\nat line 1", stacklevel=1)
        return "fine"

    def fail(*given: object) -> str:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(gpu_checks, "_trains", warn)
    for name in ("_windows", "_waits_for_nothing", "_refuses_nan", "_resumes", "_moves"):
        monkeypatch.setattr(gpu_checks, name, fail)
    checks = gpu_checks.run(load_preset("lucy-cpu", SMALL), torch.device("cpu"))
    assert [check.passed for check in checks] == [False, False, False, True, *[False] * 4]
    assert checks[1].found == "UserWarning: bf16 is slow here"
    assert checks[2].found == "OutOfMemoryError: "


def _a_little_wrong(right: Any) -> Any:
    return lambda *given: right(*given) * (1 + 0.01 * torch.rand(1))


def test_each_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    small = gpu_checks.small_config(load_preset("lucy-cpu", SMALL))
    cpu = torch.device("cpu")
    for owner, name, check in (
        (gpu_checks, "attend", gpu_checks._attention),
        (gpu_checks.WindowLSTM, "forward", gpu_checks._windows),
    ):
        monkeypatch.setattr(owner, name, _a_little_wrong(getattr(owner, name)))
        with pytest.raises(AssertionError, match="differs by"):
            check(cpu)
    monkeypatch.setattr(torch.optim.Adam, "step", lambda own: None)
    monkeypatch.setattr(AuxPPO, "_refuse", lambda own, losses, norms, order: None)
    with pytest.raises(AssertionError, match="moved by"):
        gpu_checks._trains(small, cpu, "float32")
    with pytest.raises(AssertionError, match="learnt from"):
        gpu_checks._refuses_nan(small, cpu)


def test_memory_is_that_of_the_model_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[weakref.ref[AuxPPO]] = []

    def build(*given: Any) -> AuxPPO:
        assert not any(model() for model in models), "one of before is still there"
        model = build_model(*given)
        models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(gpu, "build_model", build)
    gc.disable()  # which would have come by chance
    try:
        config = load_preset("lucy-cpu", SMALL | {"ppo.n_epochs": 1})
        for _ in range(2):
            gpu._measure(config, torch.device("cpu"), rounds=1)
    finally:
        gc.enable()
    assert len(models) == 2


def test_operations_are_those_of_the_layers() -> None:
    """Those of a layer forward, as many for its weights, and but for the first for its input."""
    config = load_preset("lucy-cpu", SMALL | {"auxiliary.reward_prediction": 0.0})
    network = config.network.model_dump(exclude={"initial_odds"})
    counted = roofline.count(config, 8)
    assert set(counted) == {"inference", "values", "update", "optimizer"}
    kind = config.environment.observation_kind
    rows, columns = kind.shape_for(2)
    critic = Perceiver(columns - 1, kind.n_features, **network)
    with FlopCounterMode(display=False) as counter:
        critic(split(torch.zeros(1, rows, columns), kind.n_features))
    head = 2 * network["width"]
    # Attention on a CPU is a kernel of our own, which the counter does not see
    attention = 2 * 2 * network["heads"] * network["width"] * (rows - 1)
    assert counted["values"].operations == counter.get_total_flops() + head + attention
    logits = 12 * head  # 3, 3, 2, 2 and 2 choices
    assert counted["inference"].operations == counter.get_total_flops() + logits + attention
    forward = 2 * (counter.get_total_flops() + attention) + logits + head
    assert 2.5 * forward < counted["update"].operations < 3 * forward


def test_tasks_and_epochs_add_work() -> None:
    config = load_preset("lucy-skg", SMALL)
    counted = roofline.count(config, 8)
    assert list(counted)[2:] == ["update", "reward_prediction", "state_representation", "optimizer"]
    assert all(work.bytes > 0 and work.launches > 0 for work in counted.values())
    more = roofline.count(config, 16)
    assert more["inference"].launches == pytest.approx(counted["inference"].launches / 2)


def test_what_bounds_is_the_longest() -> None:
    rates = roofline.Rates(float32=10, bf16=100, bytes=5, launches=2, to_device=1, from_device=1)
    work = roofline.Work(operations=20, bytes=5, launches=1)
    assert rates.seconds(work, "float32") == {"operations": 2, "bytes": 1, "launches": 0.5}
    assert rates.seconds(work, "bf16")["operations"] == 0.2
