"""A training small enough for a test: seconds on one core."""

from pathlib import Path
from typing import Any

import pytest

from lucy.agent.config import TrainConfig, load_preset
from lucy.agent.train import train

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


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished tiny training; not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    train(tiny_config(), path)
    return path
