"""What a training needs of a reward: schedules, statistics, threads, ranges."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from lucy.rewards.function import RewardFunction
from lucy.rewards.spec import RewardSpec, Schedule, load_spec
from lucy.rewards.statistics import add_sums, reward_metrics
from lucy.rewards.trajectory import evaluate_states, evaluate_trajectory
from lucy.sim.state import GameStates, select

LUCY = load_spec("lucy-skg")
MIXED = ["1v1", "3v3", "2v2"] * 20  # more arenas than are worked on at a time


def play(reward: RewardFunction, steps: list[GameStates]) -> list[tuple[np.ndarray, ...]]:
    arenas = len(steps[0].score)
    reward.reset(steps[0], np.arange(arenas))
    paid = []
    for states in steps[1:]:
        reward.step(states, slice(0, arenas))
        paid.append((*(part.copy() for part in reward.decomposition), reward.total.copy()))
    return paid


@pytest.mark.parametrize("some", [False, True], ids=["everyone", "some"])
def test_statistics_are_those_of_the_decomposition(random_states: Callable, some: bool) -> None:
    rng = np.random.default_rng(0)
    steps = [random_states(rng, MIXED) for _ in range(4)]
    reward = RewardFunction(LUCY, steps[0])
    there = steps[0].car_mask
    if some:
        everyone = play(RewardFunction(LUCY, steps[0]), steps)
        there = there & (rng.random(there.shape) < 0.6)
        reward.count(there)
    paid = play(reward, steps)
    sums = reward.collect()
    if some:  # all are paid as ever
        for ours, theirs in zip(paid, everyone, strict=True):
            for part, other in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(part, other)
    for kind, part in (("value", 0), ("reward", 3)):
        x = np.concatenate([step[part][there] for step in paid]).astype(np.float64)
        np.testing.assert_allclose(getattr(sums, f"{kind}_sum"), x.sum(0), atol=1e-3)
        np.testing.assert_allclose(getattr(sums, f"{kind}_squares"), (x**2).sum(0), rtol=1e-5)
        np.testing.assert_allclose(getattr(sums, f"{kind}_mass"), np.abs(x).sum(0), rtol=1e-5)
        np.testing.assert_array_equal(getattr(sums, f"{kind}_positive"), (x > 0).sum(0))
        np.testing.assert_array_equal(getattr(sums, f"{kind}_negative"), (x < 0).sum(0))
    assert sums.car_steps == 3 * there.sum()
    metrics = reward_metrics(reward.names, sums)
    rewards = np.concatenate([step[3][there] for step in paid])
    total = np.concatenate([step[4][there] for step in paid])
    assert metrics["reward_spread/event_goal"] == pytest.approx(rewards[:, 5].std(), rel=1e-4)
    assert metrics["reward_spread/total"] == pytest.approx(total.std(), rel=1e-4)
    assert metrics["reward/total"] == pytest.approx(total.mean(), abs=1e-5)
    shares = [value for key, value in metrics.items() if key.startswith("reward_share/")]
    assert sum(shares) == pytest.approx(1)


def test_collecting_starts_anew_and_sums_add_up(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    steps = [random_states(rng, ["2v2"] * 3) for _ in range(3)]
    reward = RewardFunction(LUCY, steps[0])
    assert reward.collect().car_steps == 0
    play(reward, steps)
    once = reward.collect()
    play(reward, steps)
    twice = add_sums([once, reward.collect()])
    for one, two in zip(once, twice, strict=True):
        np.testing.assert_allclose(two, 2 * one)
    assert reward.collect().reward_mass.sum() == 0


def test_the_total_is_the_same_with_and_without_what_explains_it(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    steps = [random_states(rng, MIXED) for _ in range(3)]
    alone = RewardFunction(LUCY, steps[0], decompose=False)
    plain = RewardFunction(LUCY, steps[0], statistics=False)
    whole = play(RewardFunction(LUCY, steps[0]), steps)
    for (*_, total), (*_, other) in zip(whole, play(alone, steps), strict=True):
        np.testing.assert_array_equal(other, total)
    assert not np.any(alone.decomposition)
    for parts, others in zip(whole, play(plain, steps), strict=True):
        for part, other in zip(parts, others, strict=True):
            np.testing.assert_array_equal(other, part)
    assert alone.collect().car_steps == plain.collect().car_steps == 0


def test_a_term_that_falls_silent_leaves_nothing_behind(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    steps = [random_states(rng, MIXED) for _ in range(3)]
    spec = RewardSpec.model_validate({"events": [{"component": "event_touch"}]})
    for states, touched in zip(steps, (False, True, False), strict=True):
        states.car_ball_touched[:] = touched
    first, second = play(RewardFunction(spec, steps[0]), steps)
    there = steps[0].car_mask
    assert (first[0][there] == 1).all()
    assert first[2][there].all()
    assert not np.any(second[:4])


def test_threads_on_disjoint_arenas_pay_what_one_does(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    steps = [random_states(rng, MIXED) for _ in range(10)]
    wanted = play(RewardFunction(LUCY, steps[0]), steps)
    reward = RewardFunction(LUCY, steps[0])
    cuts = [0, 7, 8, 45, 60]
    ranges = [slice(a, b) for a, b in pairwise(cuts)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda r: reward.reset(steps[0], np.arange(r.start, r.stop)), ranges))
        for states, want in zip(steps[1:], wanted, strict=True):
            pieces = [(select(states, rows), rows) for rows in ranges]
            list(threads.map(lambda piece: reward.step(*piece), pieces))
            for part, other in zip((*reward.decomposition, reward.total), want, strict=True):
                np.testing.assert_array_equal(part, other)
    assert reward.collect().car_steps == 9 * steps[0].car_mask.sum()


def test_schedules_are_linear_between_their_points() -> None:
    schedule = Schedule(points=((100, 1.0), (200, 3.0), (400, 0.0)))
    at = {0: 1, 100: 1, 150: 2, 200: 3, 300: 1.5, 400: 0, 10**9: 0}
    assert {steps: schedule.at(steps) for steps in at} == at


def test_a_schedule_changes_weights_with_progress(random_states: Callable) -> None:
    weight = {"0": 1.0, "1_000": 0.0}
    events = [{"component": "velocity_player_to_ball", "weight": weight}]
    potential = [{"component": "save_boost", "weight": [[0, 1.0], [1000, 3.0]]}]
    spec = RewardSpec.model_validate({"potential": potential, "events": events})
    steps = [random_states(np.random.default_rng(0), ["1v1"] * 3) for _ in range(2)]
    steps = [steps[0], steps[1], steps[1]]
    reward = RewardFunction(spec, steps[0])
    (first, *_) = play(reward, steps)
    assert first[1][..., 1].any()
    reward.set_progress(500)
    reward.step(steps[2], slice(0, 3))
    parts = reward.decomposition
    np.testing.assert_allclose(parts.weighted[..., 1], 0.5 * parts.value[..., 1], atol=1e-6)
    # A potential whose weight has risen pays nothing for a state that has not changed
    np.testing.assert_array_equal(parts.undistributed[..., 0], 0)


def test_a_trajectory_is_what_an_arena_pays_step_by_step(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    states = random_states(rng, ["2v2"] * 30)
    states.episode_start[[0, 12]] = True
    spec = RewardSpec.model_validate(
        {"potential": LUCY.potential, "events": [{"component": "counter_pressure"}]}
    )
    whole = evaluate_trajectory(spec, states)
    reward = RewardFunction(spec, select(states, slice(0, 1)))
    for t in range(30):
        now = select(states, slice(t, t + 1))
        if states.episode_start[t]:
            reward.reset(now, np.array([0]))
            assert np.isnan(whole.total[t]).all()
            continue
        reward.step(now, slice(0, 1))
        np.testing.assert_array_equal(whole.total[t], reward.total[0])
        for part, other in zip(whole.decomposition, reward.decomposition, strict=True):
            np.testing.assert_array_equal(part[t], other[0])


def test_states_without_history_have_values_and_no_events(random_states: Callable) -> None:
    states = random_states(np.random.default_rng(0), ["1v1"] * 1500)
    there = evaluate_states(LUCY, states)
    assert there.decomposition.value.shape == (1500, 2, 13)
    n = len(LUCY.potential)
    assert there.decomposition.value[..., :n].all(axis=2).mean() > 0.9
    assert not there.decomposition.undistributed[..., : n + 7].any()


def test_states_of_another_number_of_arenas_are_refused(random_states: Callable) -> None:
    states = random_states(np.random.default_rng(0), ["1v1"] * 3)
    reward = RewardFunction(LUCY, states)
    with pytest.raises(ValueError, match="rows 0 to 2 need the states of 2 arenas, got 3"):
        reward.step(states, slice(0, 2))


def test_states_that_do_not_lie_in_order_are_refused(random_states: Callable) -> None:
    states = random_states(np.random.default_rng(0), ["1v1"] * 3)
    reward = RewardFunction(LUCY, states)
    wrong = states._replace(car_position=states.car_position.astype(np.float64))
    with pytest.raises(ValueError, match=r"states\.car_position is float64"):
        reward.step(wrong, slice(0, 3))
