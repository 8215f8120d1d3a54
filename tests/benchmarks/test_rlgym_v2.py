"""The benchmark's RLGym v2 environment plays Lucy's task: same observations, pay and ends."""

import numpy as np
import pytest

from lucy.benchmarks.rlgym_learn_task import N_FEATURES, make_lucy_env
from lucy.benchmarks.rlgym_v2 import make_env
from lucy.rewards.function import RewardFunction
from lucy.rewards.spec import load_spec
from lucy.sim.actions import ACTION_TABLES
from lucy.sim.engine import ArenaPool
from lucy.sim.observations import LucyObservation
from lucy.sim.resets import SOURCES, InitialState
from lucy.sim.simulation import Simulation
from lucy.sim.termination import EpisodeEnds
from lucy.sim.vec_env import RocketLeagueVecEnv

TEAM_SIZE = 2
TIMEOUT, NO_TOUCH_TIMEOUT = 8.0, 4.0  # s: short, so that episodes end in every way
DEMOED, ORIENTATION = 22, slice(13, 19)  # columns of the observation

# What happens; by which source and seed the episode starts. In none of them do two cars hit
# the ball or each other in one tick, nor do cars pile up for long: RocketSim then takes them in
# their order in memory.
STARTS = {
    "shot and goal from a kickoff": ("kickoff", 0),
    "goal from play": ("random", 26),
    "goal after a rebound": ("goalie", 1),
    "goal without a touch": ("goalie", 6),
    "demolition": ("random", 21),
    "timeout": ("random", 25),
    "no-touch timeout": ("random", 28),
}

Trajectory = dict[str, np.ndarray]


def lucy_env(initial: InitialState) -> RocketLeagueVecEnv:
    pool = ArenaPool([f"{TEAM_SIZE}v{TEAM_SIZE}"], threads=1)
    simulation = Simulation(
        pool,
        RewardFunction(load_spec("lucy-skg"), pool.states),
        LucyObservation(pool.states, max_players=2 * TEAM_SIZE),
        ACTION_TABLES["kbm"],
        lambda rng, team_size: initial,
        EpisodeEnds(1, TIMEOUT, NO_TOUCH_TIMEOUT),
    )
    return RocketLeagueVecEnv(simulation, seed=0)


def chase(observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drive at the ball with now and then a jump or boost: [n,5] "kbm" actions."""
    forward, to_ball = observation[:, 0, 13:16], observation[:, 1, 4:7]
    side = forward[:, 0] * to_ball[:, 1] - forward[:, 1] * to_ball[:, 0]
    actions = rng.integers(0, 2, (len(observation), 5))
    actions[:, 0] = 2
    actions[:, 1] = 1 + np.sign(side)
    actions[:, 2] = rng.random(len(actions)) < 0.02
    actions[:, 4] = 0
    return actions


def play_lucy(initial: InitialState) -> tuple[Trajectory, list[np.ndarray]]:
    """An episode of chasing in ours: what it showed and paid, and the actions."""
    env, rng = lucy_env(initial), np.random.default_rng(0)
    observation, done = env.reset(), np.zeros(1, np.bool_)
    rows, all_actions = [(observation.copy(), *np.zeros((3, len(observation))))], []
    while not done[0]:
        actions = chase(observation, rng)
        observation, reward, done, infos = env.step(actions)
        if done[0]:
            observation = np.array([info["terminal_observation"] for info in infos])
        truncated = np.array([info.get("TimeLimit.truncated", False) for info in infos])
        rows.append((observation.copy(), reward, done & ~truncated, truncated))
        all_actions.append(actions)
    env.close()
    return columns(rows), all_actions


def play_rlgym(initial: InitialState, all_actions: list[np.ndarray]) -> Trajectory:
    """The same actions in RLGym's."""
    env = make_env(TEAM_SIZE, lambda rng, team_size: initial, 0, TIMEOUT, NO_TOUCH_TIMEOUT)
    first = list(env.reset().values())
    rows = [(first, *np.zeros((3, len(first))))]
    for actions in all_actions:
        step = env.step(dict(zip(env.agents, actions, strict=True)))
        rows.append(tuple(list(by_agent.values()) for by_agent in step))
    return columns(rows)


def columns(rows: list[tuple]) -> Trajectory:
    names = ("observation", "reward", "terminated", "truncated")
    return {
        name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


@pytest.fixture(scope="module", params=STARTS)
def episode(request: pytest.FixtureRequest) -> tuple[Trajectory, Trajectory]:
    source, seed = STARTS[request.param]
    initial = SOURCES[source](np.random.default_rng(seed), TEAM_SIZE)
    ours, actions = play_lucy(initial)
    return ours, play_rlgym(initial, actions)


def test_observations_agree(episode) -> None:
    ours, theirs = (side["observation"].copy() for side in episode)
    # A wreck's orientation is read a few ticks apart
    for observation in ours, theirs:
        observation[..., ORIENTATION] *= 1 - observation[..., DEMOED, None]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["reward", "terminated", "truncated"])
def test_pay_and_ends_agree(episode, name: str) -> None:
    ours, theirs = (side[name] for side in episode)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_rlgym_learn_gets_vectors_and_gives_one_choice() -> None:
    env = make_lucy_env()
    observations = env.reset()
    agent = next(iter(observations))
    assert env.action_space(agent) == ("discrete", 90)
    actions = {name: np.array([89]) for name in observations}
    for _ in range(3):
        observations, rewards, _, _ = env.step(actions)
        assert len(observations) == len(rewards) == 2 * TEAM_SIZE
        assert {rows.shape for rows in observations.values()} == {(N_FEATURES,)}
    latest = observations[agent].reshape(-1, 64)[0, 23:31]
    assert latest.tolist() == ACTION_TABLES["lookup"].controls[89].tolist()
