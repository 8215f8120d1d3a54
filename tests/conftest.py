"""The reference data that the tests find in `shared`, and what has to be set before all imports."""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# Numba's cache looks at the file of a kernel alone, not at the kernels that it calls: after an
# edit of one of those it would run old code. So each state of the source has a cache of its own.
_source = b"".join(
    path.read_bytes()
    for room in ("sim", "rewards", "agent")
    for path in sorted((ROOT / room).rglob("*.py"))
)
_name = f"lucy-numba-{hashlib.sha256(_source).hexdigest()[:16]}"
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / _name))
# Torch's threads wait for each other at every one of the tests' small operators, which on a busy
# machine takes ten times as long as computing them on one
os.environ.setdefault("OMP_NUM_THREADS", "1")

# An example may take as long as the machine takes
settings.register_profile("lucy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lucy")

from lucy.sim.state import GameStates  # noqa: E402

from .shared import SHARED  # noqa: E402
from .skips import (  # noqa: E402, F401
    pytest_addoption,
    pytest_make_collect_report,
    pytest_runtest_makereport,
)


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


@pytest.fixture(scope="session")
def opponents() -> Path:
    """The folder with the published bots' weights."""
    path = SHARED / "opponents"
    if not path.exists():
        pytest.skip(f"no weights at {path}; set LUCY_SHARED to the folder that has them")
    return path
