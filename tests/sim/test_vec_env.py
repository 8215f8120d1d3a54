"""`RocketLeagueVecEnv` as Stable-Baselines3 uses it."""

from collections.abc import Sequence

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from lucy.rewards.function import RewardFunction
from lucy.rewards.spec import load_spec
from lucy.sim import resets
from lucy.sim.actions import ACTION_TABLES
from lucy.sim.constants import STEPS_PER_SECOND
from lucy.sim.engine import ArenaPool
from lucy.sim.observations import OBSERVATIONS, LucyObservation, Observation
from lucy.sim.resets import InitialState, ResetSource
from lucy.sim.simulation import Simulation
from lucy.sim.termination import EpisodeEnds
from lucy.sim.vec_env import RocketLeagueVecEnv

MIX = resets.weighted_mix({"kickoff": 1, "kickoff_like": 1, "random": 3, "goalie": 1})
MIXED_MODES = ["1v1", "3v3", "2v2"]


def make_env(
    modes: Sequence[str] = ("1v1",) * 4,
    threads: int = 2,
    seed: int = 0,
    steps: int = 1000,
    source: ResetSource = MIX,
    observation: type[Observation] = LucyObservation,
) -> RocketLeagueVecEnv:
    pool = ArenaPool(modes, threads=threads)
    states = pool.states
    simulation = Simulation(
        pool,
        RewardFunction(load_spec("lucy-skg"), states),
        observation(states, states.car_mask.shape[1]),
        ACTION_TABLES["kbm"],
        source,
        EpisodeEnds(len(modes), timeout=steps / STEPS_PER_SECOND),
    )
    return RocketLeagueVecEnv(simulation, seed)


def random_actions(env: RocketLeagueVecEnv, steps: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, [3, 3, 2, 2, 2], (steps, env.num_envs, 5))


def idle(env: RocketLeagueVecEnv) -> np.ndarray:
    return np.tile([1, 1, 0, 0, 0], (env.num_envs, 1))


def shot(rng: np.random.Generator, team_size: int) -> InitialState:
    """A ball that crosses orange's goal line in the third step."""
    return resets.kickoff(rng, team_size)._replace(
        ball_position=np.array([0.0, 4800.0, 200.0]),
        ball_linear_velocity=np.array([0.0, 2500.0, 0.0]),
    )


def test_shapes_and_dtypes() -> None:
    env = make_env(MIXED_MODES)
    assert env.num_envs == 12
    assert env.observation_space.shape == (8, 64)
    assert env.action_space.nvec.tolist() == [3, 3, 2, 2, 2]
    observations = env.reset()
    for actions in random_actions(env, 3):
        assert observations.shape == (12, 8, 64)
        assert observations.dtype == np.float32
        observations, rewards, dones, infos = env.step(actions)
        assert (rewards.shape, rewards.dtype) == ((12,), np.float32)
        assert (dones.shape, dones.dtype) == ((12,), np.bool_)
        assert infos == [{}] * 12


def test_an_agents_action_moves_its_own_car() -> None:
    env = make_env(MIXED_MODES)
    env.reset()
    (actions,) = random_actions(env, 1)
    env.step(actions)
    states = env.simulation.pool.states
    taken = states.previous_action[states.car_mask]
    np.testing.assert_array_equal(taken, env.simulation.action_table.parse(actions))


def test_an_agent_sees_its_own_car_and_is_paid_for_it() -> None:
    env = make_env(MIXED_MODES)
    env.reset()
    observations, rewards, _, _ = env.step(random_actions(env, 1)[0])
    states = env.simulation.pool.states
    boost = states.car_boost[states.car_mask]
    np.testing.assert_array_equal(observations[:, 0, 19], boost)
    np.testing.assert_array_equal(rewards, env.simulation.reward.total[states.car_mask])


def test_terminal_observation_is_the_last_before_the_reset() -> None:
    short, long = make_env(steps=6), make_env(steps=1000)
    np.testing.assert_array_equal(short.reset(), long.reset())
    for actions in random_actions(short, 6):
        after, _, dones, infos = short.step(actions)
        on_and_on = long.step(actions)[0]
    assert dones.all()
    for agent, info in enumerate(infos):
        np.testing.assert_array_equal(info["terminal_observation"], on_and_on[agent])
    # What came back with it is the new episode's first: no action taken yet
    assert on_and_on[:, 0, 23:63].any()
    assert not after[:, 0, 23:63].any()


def test_terminal_observation_is_a_copy() -> None:
    env = make_env(steps=3)
    env.reset()
    kept = []
    for actions in random_actions(env, 9):
        infos = env.step(actions)[3]
        kept += [info["terminal_observation"] for info in infos if info]
        if len(kept) == env.num_envs:
            first = np.array(kept)
    assert len(kept) == 3 * env.num_envs
    np.testing.assert_array_equal(kept[: env.num_envs], first)


@pytest.mark.parametrize(
    ("source", "steps", "truncated"),
    [(resets.kickoff, 3, True), (shot, 1000, False), (shot, 3, False)],
    ids=["timeout", "goal", "goal on the last step"],
)
def test_truncated_means_cut_off_and_not_terminated(
    source: ResetSource, steps: int, truncated: bool
) -> None:
    env = make_env(source=source, steps=steps)
    env.reset()
    for step in range(3):
        _, _, dones, infos = env.step(idle(env))
        assert dones.all() == (step == 2)
    assert [info["TimeLimit.truncated"] for info in infos] == [truncated] * env.num_envs


def test_only_the_arena_that_ended_begins_again() -> None:
    def first_arena_shoots(rng: np.random.Generator, team_size: int) -> InitialState:
        return (shot if team_size == 1 else resets.kickoff)(rng, team_size)

    env = make_env(["1v1", "2v2"], source=first_arena_shoots)
    env.reset()
    for _ in range(3):
        observations, _, dones, infos = env.step(np.zeros((6, 5), np.int64))
    assert dones.tolist() == [True] * 2 + [False] * 4
    assert [bool(info) for info in infos] == dones.tolist()
    assert not observations[:2, 0, 23:63].any()
    assert observations[2:, 0, 23:63].any()
    assert env.simulation.pool.states.episode_start.tolist() == [True, False]


def test_what_a_step_returned_outlives_the_next_step() -> None:
    env = make_env()
    returned = env.reset()
    copy = returned.copy()
    for actions in random_actions(env, 4):
        step = env.step(actions)
        np.testing.assert_array_equal(returned, copy)
        assert (step[0] != copy).any()
        returned, copy = step[0], step[0].copy()
        rewards, rewards_copy = step[1], step[1].copy()
    env.step(actions)
    np.testing.assert_array_equal(rewards, rewards_copy)


def rollout(env: RocketLeagueVecEnv, steps: int) -> list[np.ndarray]:
    """Observations, rewards and dones of random play, resets among them."""
    played = [(env.reset(), np.zeros(env.num_envs), np.zeros(env.num_envs))]
    for actions in random_actions(env, steps):
        step = env.step(actions)
        played.append((step[0].copy(), *step[1:3]))
    env.close()
    return [np.array(parts) for parts in zip(*played, strict=True)]


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_one_seed_gives_one_rollout_at_any_number_of_threads(name: str) -> None:
    kind = OBSERVATIONS[name]
    # Episodes end before a demolished car comes back, at a place that RocketSim does not seed
    one, two = (
        rollout(make_env(["1v1"] * 8, threads, steps=40, observation=kind), 300)
        for threads in (1, 2)
    )
    assert one[2].sum() >= 8 * 2 * 7
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_seed_gives_another_rollout() -> None:
    one, other = (rollout(make_env(seed=seed), 5) for seed in (0, 1))
    assert (one[0] != other[0]).any(axis=(1, 2, 3)).all()


def test_arenas_draw_from_streams_of_their_own() -> None:
    six, three = (make_env(["1v1"] * n).reset() for n in (6, 3))
    np.testing.assert_array_equal(six[:6], three)
    boosts = make_env(["1v1"] * 20, source=resets.random_state).reset()[:, 0, 19]
    assert len(np.unique(boosts)) == 40


def test_seed_begins_the_streams_again() -> None:
    env = make_env()
    first = env.reset().copy()
    assert (env.reset() != first).any()
    assert env.seed(0) == [0] * env.num_envs
    np.testing.assert_array_equal(env.reset(), first)


def test_a_new_episode_pays_no_shaping_on_its_first_step() -> None:
    env = make_env(steps=3)
    env.reset()
    potentials = len(load_spec("lucy-skg").potential)
    first = True
    for actions in random_actions(env, 9):
        dones = env.step(actions)[2]
        shaping = env.simulation.reward.decomposition.undistributed[..., :potentials]
        assert shaping.any() != first
        first = dones.all()


def test_episode_info_sums_up_the_episode() -> None:
    env = make_env(steps=5)
    env.reset()
    for _ in range(2):
        total = np.zeros(env.num_envs)
        for actions in random_actions(env, 5):
            _, rewards, _, infos = env.step(actions)
            total += rewards
        episodes = [info["episode"] for info in infos]
        np.testing.assert_allclose([episode["r"] for episode in episodes], total, rtol=1e-6)
        assert [episode["l"] for episode in episodes] == [5] * env.num_envs


def test_step_wait_without_actions_raises() -> None:
    env = make_env()
    env.reset()
    env.step(idle(env))
    with pytest.raises(RuntimeError, match=r"step_wait\(\) was called before step_async\(\)"):
        env.step_wait()


def test_agents_share_one_environment() -> None:
    env = make_env()
    assert env.get_attr("num_envs") == [8] * 8
    assert env.get_attr("num_envs", [1, 2]) == [8] * 2
    assert env.env_is_wrapped(VecMonitor, 3) == [False]
    with pytest.raises(NotImplementedError, match="share one environment"):
        env.set_attr("num_envs", 3)
    with pytest.raises(NotImplementedError, match="share one environment"):
        env.env_method("reset")


def test_ppo_learns_without_a_warning() -> None:
    env = make_env(["1v1", "2v2"], steps=20)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu")
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(300)
    assert model.num_timesteps >= 300
    assert len(model.ep_info_buffer) > 0
    changed = zip(before, model.policy.parameters(), strict=True)
    assert all((old != new).any() for old, new in changed)
    env.close()
