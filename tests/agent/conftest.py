"""A training small enough for a test: seconds on one core."""

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from lucy.agent import checkpoint
from lucy.agent.config import TrainConfig, load_preset
from lucy.agent.opponents.policy_bot import untrained_policy
from lucy.agent.train import train

from ..waiting import wait_until

# RLBot is for Windows and Linux
collect_ignore_glob = [] if find_spec("rlbot") else ["test_rlbot_*.py"]

TINY: dict[str, Any] = {
    "steps": 192,
    "environment.arenas": 4,
    "environment.processes": 1,
    "environment.no_touch_timeout": 0.5,
    "ppo.n_steps": 8,
    "ppo.batch_size": 32,
    "ppo.n_epochs": 2,
    "network.width": 8,
    "network.feedforward": 8,
}


def tiny_config(**changes: Any) -> TrainConfig:
    """Three iterations of 64 samples, with changes such as ppo__gamma=0.9."""
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return load_preset("lucy-cpu", TINY | named)


def await_checkpoint(
    folder: Path, process: subprocess.Popen[bytes], after: Path | None = None
) -> None:
    """Wait until a training in another process has saved one that is not `after`."""

    def saved() -> bool:
        assert process.poll() is None, process.communicate()[0].decode()
        return checkpoint.newest(folder) != after

    wait_until(saved, f"there is a new checkpoint in {folder}")


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished tiny training; not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    train(tiny_config(), path)
    return path


@pytest.fixture(scope="session")
def lively_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose network is untrained, but does something else in every other situation."""
    run = tmp_path_factory.mktemp("runs") / "lively"
    settings = load_preset("lucy-cpu")
    table = settings.environment.action_table
    torch.manual_seed(3)
    policy = untrained_policy(settings.network, table)
    head = policy.action_net
    assert isinstance(head, torch.nn.Linear)
    torch.nn.init.orthogonal_(head.weight, gain=3.0)
    torch.nn.init.zeros_(head.bias)
    checkpoint.save(
        run / "checkpoints",
        64,
        policy=policy.state_dict(),
        optimizer={},
        config=settings.model_dump(mode="json"),
        counters={},
        versions={"observation": "lucy-1", "action": table, "lucy": "0.1.0"},
        random_state={},
    )
    return run
