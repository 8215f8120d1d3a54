"""Where the tests find the reference data that is no part of the project."""

import os
from pathlib import Path

import numpy as np
import pytest

from lucy.sim.state import GameStates

SHARED = Path(os.environ.get("LUCY_SHARED", Path(__file__).parents[2] / "shared"))


class Golden:
    """One file of reference trajectories: its states and what the published code made of them."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.columns = {name: file[name] for name in file.files}
        states = {
            name.removeprefix("state/"): array
            for name, array in self.columns.items()
            if name.startswith("state/") and name != "state/goal_scored"
        }
        self.states = GameStates(**states, car_mask=np.ones(states["car_boost"].shape, np.bool_))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]


@pytest.fixture(scope="session", params=["1v1", "2v2", "3v3"])
def golden(request: pytest.FixtureRequest) -> Golden:
    """The reference trajectory of each mode."""
    path = SHARED / "golden" / f"{request.param}.npz"
    if not path.exists():
        pytest.skip(
            f"no golden trajectories at {path}; set LUCY_SHARED to the folder that has them"
        )
    return Golden(path)
