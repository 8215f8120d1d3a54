"""Games that were saved go on as if nothing had been: to the bit, in any number of processes."""

import numpy as np
import pytest

from lucy.sim.memory import SavedError
from lucy.sim.vec_env import RocketLeagueVecEnv

from .test_workers import MODES, TABLE, build, workers

STEPS = 60


def play(env: RocketLeagueVecEnv, seed: int, steps: int = STEPS) -> list[np.ndarray]:
    """Observations, rewards and ends of every step; the choices are held for four of them."""
    rng = np.random.default_rng(seed)
    seen, actions = [], np.zeros((env.num_envs, 5), np.int64)
    for step in range(steps):
        if step % 4 == 0:
            actions = rng.integers(0, TABLE.nvec, (env.num_envs, 5))
            actions[:, 0] = rng.choice([0, 2, 2, 2], env.num_envs)  # forward, to meet others
        observations, rewards, dones, infos = env.step(actions)
        seen += [observations.copy(), rewards, dones]
        seen += [info["terminal_observation"] for info in infos if info]
        seen += [np.array([*info["episode"].values()]) for info in infos if info]
    return seen


def assert_same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(one) == len(other)
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("processes", [1, 2])
def test_saved_games_go_on_the_same_at_any_number_of_processes(processes: int) -> None:
    env = RocketLeagueVecEnv(build(MODES), seed=0)
    env.reset()
    play(env, seed=0)
    latest = env.step(np.zeros((env.num_envs, 5), np.int64))[0]
    made = build(MODES) if processes == 1 else workers(processes)
    resumed = RocketLeagueVecEnv(made, seed=1)
    try:
        for part in range(2):
            seen = resumed.restore(env.save())
            if part == 0:
                np.testing.assert_array_equal(seen, latest)
            assert_same(play(env, seed=part), play(resumed, seed=part))
    finally:
        resumed.close()


def test_games_of_other_sizes_are_refused() -> None:
    env = RocketLeagueVecEnv(build(MODES), seed=0)
    env.reset()
    other = RocketLeagueVecEnv(build(MODES[:3]), seed=0)
    other.reset()
    with pytest.raises(SavedError, match=r"arena/.* is \[5.*expected \[3"):
        other.restore(env.save())
