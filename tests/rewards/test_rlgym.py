"""A spec pays in RLGym v2's own loop what it pays in Lucy's environment."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from rlgym.api import RLGym
from rlgym.rocket_league.action_parsers import RepeatAction
from rlgym.rocket_league.api import GameState
from rlgym.rocket_league.sim import RocketSimEngine
from rlgym.rocket_league.state_mutators import FixedTeamSizeMutator, MutatorSequence

from lucy.rewards.function import RewardFunction
from lucy.rewards.rlgym import LucyReward
from lucy.rewards.spec import RewardSpecError, load_spec
from lucy.sim.actions import ACTION_TABLES
from lucy.sim.constants import GOAL_THRESHOLD_Y
from lucy.sim.engine import TEAM_SIZES, ArenaPool
from lucy.sim.observations import OBSERVATIONS
from lucy.sim.resets import InitialState, goalie, kickoff, random_state
from lucy.sim.rlgym import LucyAction, LucyInfo, LucyObs, LucyReset
from lucy.sim.state import GameStates

STEPS = {"1v1": 2000, "2v2": 1000}
STEPS_TO_RESPAWN = 45  # where a car comes back is RocketSim's own chance
KBM = ACTION_TABLES["kbm"]
WHOLE = slice(0, 1)
SPEC = load_spec("lucy-skg")


def make_env(mode: str, initial: InitialState, obs: str) -> RLGym:
    engine = RocketSimEngine(rlbot_delay=False)
    size = TEAM_SIZES[mode]
    return RLGym(
        state_mutator=MutatorSequence(
            FixedTeamSizeMutator(size, size), LucyReset(lambda rng, team_size: initial)
        ),
        obs_builder=LucyObs(obs),
        action_parser=RepeatAction(LucyAction("kbm"), repeats=8),
        reward_fn=LucyReward(SPEC),
        transition_engine=engine,
        shared_info_provider=LucyInfo(engine),
    )


def ram(rng: np.random.Generator, team_size: int) -> InitialState:
    """The first orange car behind the first blue one, at a speed that demolishes."""
    state = kickoff(rng, team_size)
    position, velocity, axes = map(np.array, (*state[3:5], state.car_rotation))
    forward = axes[0, 0]
    axes[team_size] = axes[0]
    position[team_size] = position[0] - 350 * forward
    velocity[team_size] = 2290 * forward
    return state._replace(car_position=position, car_linear_velocity=velocity, car_rotation=axes)


def chase(states: GameStates, rng: np.random.Generator) -> np.ndarray:
    """Drive at the ball with now and then a jump or boost: [C,5] "kbm" actions."""
    way = states.ball_position[0] - states.car_position[0]
    side = (states.car_right[0] * way).sum(axis=-1)
    actions = rng.integers(0, 2, (len(way), 5))
    actions[:, 0] = 2
    actions[:, 1] = 1 + np.sign(side) * (abs(side) > 100)
    actions[:, 2] = rng.random(len(actions)) < 0.03
    actions[:, 4] = 0
    return actions


def crowded(states: GameStates) -> bool:
    """Whether cars may pile up, which RocketSim resolves in the order of their addresses."""
    alive = states.car_position[0, ~states.car_is_demoed[0]]
    gaps = np.linalg.norm(alive[:, None] - alive, axis=-1) + 1e9 * np.eye(len(alive))
    return len(alive) > 2 and gaps.min() < 250


@pytest.mark.parametrize("mode", STEPS)
def test_rewards_and_observations_are_equal_in_rlgyms_loop(mode: str) -> None:
    rng, seen = np.random.default_rng(0), Counter()
    sources: list[Callable] = [goalie, ram, random_state, kickoff]
    for episode in range(1000):
        if seen["steps"] >= STEPS[mode]:
            break
        initial = sources[episode % 4](rng, TEAM_SIZES[mode])
        name = list(OBSERVATIONS)[episode % 3]
        play_both(mode, initial, name, rng, seen)
    assert seen["steps"] >= STEPS[mode]
    assert min(seen[event] for event in ("goals", "shots", "demos", "touches")) > 0
    assert mode != "1v1" or seen["saves"] > 0


def play_both(mode, initial: InitialState, name: str, rng, seen: Counter) -> None:
    # A new engine each: in one that was used before, RLGym's cars collide in another order
    env, pool = make_env(mode, initial, name), ArenaPool([mode], threads=1)
    states = pool.states
    pool.set_state(0, initial)
    reward, observation = RewardFunction(SPEC, states), OBSERVATIONS[name](states)
    reward.reset(states, np.array([0]))
    ours = np.zeros((pool.n_agents, *observation.shape), np.float32)

    def assert_same_view(theirs: dict) -> None:
        observation.update(states, WHOLE)
        observation.build(states, WHOLE, ours)
        alive = ~states.car_is_demoed[0]
        if alive.all():  # a wreck's orientation is read a few ticks apart
            np.testing.assert_allclose(np.stack(list(theirs.values())), ours, atol=1e-4)

    assert_same_view(env.reset())
    wreck_steps = 0
    for _ in range(150):
        actions = chase(states, rng)
        pool.step(KBM.parse(actions)[None])
        reward.step(states, WHOLE)
        theirs, paid, _, _ = env.step(dict(zip(env.agents, actions, strict=True)))
        np.testing.assert_allclose(list(paid.values()), reward.total[0], rtol=0, atol=1e-5)
        assert_same_view(theirs)
        goal = abs(states.ball_position[0, 1]) > GOAL_THRESHOLD_Y
        seen["steps"] += 1
        seen["goals"] += goal
        seen["touches"] += states.car_ball_touched.sum()
        wreck_steps += states.car_is_demoed.any()
        if goal or crowded(states) or wreck_steps == STEPS_TO_RESPAWN - 1:
            break
    for event in ("shots", "saves", "demos"):
        seen[event] += getattr(states, f"car_{event}").sum()


def test_a_games_teams_may_change_between_episodes() -> None:
    rng = np.random.default_rng(0)
    env = make_env("1v1", kickoff(rng, 1), "lucy")
    for size in (1, 3, 2):
        initial = kickoff(rng, size)
        env.state_mutator = MutatorSequence(
            FixedTeamSizeMutator(size, size), LucyReset(lambda rng, team_size, it=initial: it)
        )
        assert len(env.reset()) == 2 * size
        _, paid, _, _ = env.step({agent: np.ones(5, int) for agent in env.agents})
        assert len(paid) == 2 * size


def test_a_state_that_rlgym_sets_begins_an_episode() -> None:
    rng = np.random.default_rng(0)
    env = make_env("2v2", kickoff(rng, 2), "necto")
    env.reset()
    small = make_env("1v1", random_state(rng, 1), "necto")
    small.reset()
    env.set_state(small.transition_engine.state)
    _, paid, _, _ = env.step({agent: np.ones(5, int) for agent in env.agents})
    assert list(paid) == ["blue-0", "orange-0"]
    assert all(abs(reward) < 1 for reward in paid.values())


def test_pay_goes_to_its_agent_in_any_order() -> None:
    """Orange comes first in RLGym's dict, blue first in ours."""
    initial = goalie(np.random.default_rng(3), 1)
    paid, seen = [], []
    for swapped in (False, True):
        env = make_env("1v1", initial, "lucy")
        if swapped:
            env.state_mutator = MutatorSequence(OrangeFirst(), *env.state_mutator.mutators[1:])
        env.reset()
        assert (next(iter(env.agents)) == "orange-0") == swapped
        for _ in range(5):
            observations, rewards, _, _ = env.step(
                {agent: np.array([2, 1, 0, 1, 0]) for agent in env.agents}
            )
        paid.append(rewards)
        seen.append(observations)
    for agent in ("blue-0", "orange-0"):
        assert paid[0][agent] == pytest.approx(paid[1][agent], abs=1e-5)
        np.testing.assert_allclose(seen[0][agent], seen[1][agent], atol=1e-4)
    assert paid[0]["blue-0"] != pytest.approx(paid[0]["orange-0"], abs=1e-3)


class OrangeFirst(FixedTeamSizeMutator):
    def apply(self, state, shared_info) -> None:
        super().apply(state, shared_info)
        state.cars = dict(reversed(state.cars.items()))


def test_without_lucys_info_it_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="build RLGym with shared_info_provider=LucyInfo"):
        LucyReward(SPEC).reset([], GameState(), {})


def test_an_unknown_reward_names_the_nearest() -> None:
    with pytest.raises(RewardSpecError, match=r"'lucy-skgg' \(did you mean 'lucy-skg'"):
        LucyReward("lucy-skgg")
