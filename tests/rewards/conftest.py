"""States of every shape for the reward kernels."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from lucy.sim.constants import BALL_MAX_SPEED, CAR_MAX_SPEED
from lucy.sim.engine import TEAM_SIZES
from lucy.sim.state import GameStates, allocate, team_slots


def _vectors(rng: np.random.Generator, shape: tuple[int, ...], longest: float) -> np.ndarray:
    directions = rng.normal(size=shape)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return directions * rng.uniform(0, longest, (*shape[:-1], 1))


@pytest.fixture(scope="session")
def random_states() -> Callable[[np.random.Generator, Sequence[str]], GameStates]:
    """Makes states that the game allows; empty slots hold garbage that nobody may read."""

    def make(rng: np.random.Generator, modes: Sequence[str]) -> GameStates:
        sizes = np.array([TEAM_SIZES[mode] for mode in modes])
        largest = int(sizes.max())
        mask = np.tile(np.arange(largest) < sizes[:, None], 2)
        states = allocate(mask, team_slots(largest))
        for array in (states.ball_position, states.car_position):
            array[:] = rng.uniform((-4000, -5100, 20), (4000, 5100, 1950), array.shape)
        states.ball_linear_velocity[:] = _vectors(rng, (len(modes), 3), BALL_MAX_SPEED)
        states.car_linear_velocity[:] = _vectors(rng, states.car_position.shape, CAR_MAX_SPEED)
        states.car_boost[:] = rng.random(mask.shape)
        for vectors in (states.car_forward, states.car_right, states.car_up):
            vectors[:] = rng.normal(size=vectors.shape)
            vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        states.previous_action[:] = rng.uniform(-1, 1, states.previous_action.shape)
        flags_of_cars = (states.car_ball_touched, states.car_is_demoed)
        for flags in (*flags_of_cars, states.car_on_ground, states.car_has_flip):
            flags[:] = rng.random(mask.shape) < 0.5
        counters = (states.car_goals, states.car_saves, states.car_shots, states.car_demos)
        for counter in (*counters, states.score):
            counter[:] = rng.integers(0, 4, counter.shape)
        return states

    return make
