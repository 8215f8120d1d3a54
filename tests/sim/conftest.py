"""States of every shape for the kernels of the simulation."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from lucy.sim.engine import TEAM_SIZES
from lucy.sim.state import GameStates, allocate, team_slots

SCALES = {
    "ball_position": 3000,
    "ball_linear_velocity": 2000,
    "ball_angular_velocity": 3,
    "car_position": 3000,
    "car_linear_velocity": 1000,
    "car_angular_velocity": 3,
}


@pytest.fixture(scope="session")
def random_states() -> Callable[[np.random.Generator, Sequence[str]], GameStates]:
    """Makes states of arenas of the given modes; empty slots hold garbage that nobody may read."""

    def make(rng: np.random.Generator, modes: Sequence[str]) -> GameStates:
        sizes = np.array([TEAM_SIZES[mode] for mode in modes])
        largest = int(sizes.max())
        mask = np.tile(np.arange(largest) < sizes[:, None], 2)
        states = allocate(mask, team_slots(largest))
        for name, array in states._asdict().items():
            if name in ("car_mask", "car_team", "episode_start"):
                continue
            if array.dtype == np.bool_:
                array[:] = rng.random(array.shape) < 0.5
            elif array.dtype == np.int32:
                array[:] = rng.integers(0, 3, array.shape)
            else:
                array[:] = rng.normal(0, SCALES.get(name, 0.5), array.shape)
        return states

    return make
