"""The compiled reward against a plain NumPy twin, and what must hold of any reward."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucy.benchmarks.reward_twin import TWINS, R, TwinReward
from lucy.rewards.combine import krc
from lucy.rewards.function import RewardFunction
from lucy.rewards.registry import COMPONENTS
from lucy.rewards.spec import RewardSpec, load_spec
from lucy.sim.constants import BALL_MAX_SPEED
from lucy.sim.state import GameStates, allocate, select, team_slots

LUCY = load_spec("lucy-skg")
MIXED = ["1v1", "3v3", "2v2"]
EVERY_COMPONENT = RewardSpec.model_validate({"events": [{"component": c} for c in COMPONENTS]})
PER_CAR = [name for name in GameStates._fields if name[:4] == "car_" and name != "car_team"]
PER_CAR.append("previous_action")
REMEMBERING = {
    "offensive_pressure",
    "defensive_pressure",
    "counter_pressure",
    "aerial_distance",
    "wave_dash",
}


def play(
    spec: RewardSpec, start: GameStates, steps: list[GameStates]
) -> tuple[RewardFunction, list[tuple[np.ndarray, ...]]]:
    """Value, weighted, undistributed and reward [A,C,K] and total [A,C] of each step."""
    everywhere = slice(0, len(start.score))
    reward = RewardFunction(spec, start)
    reward.reset(start, np.arange(len(start.score)))
    paid = []
    for states in steps:
        reward.step(states, everywhere)
        paid.append((*(part.copy() for part in reward.decomposition), reward.total.copy()))
    return reward, paid


def copy(states: GameStates) -> GameStates:
    return GameStates(*(array.copy() for array in states))


# A twin's number of examples is small: each has hundreds of cars' values in it
seeds = given(seed=st.integers(0, 2**32 - 1))
few = settings(deadline=None, max_examples=15)


def test_the_twin_knows_every_component() -> None:
    assert TWINS.keys() | REMEMBERING == COMPONENTS.keys()


@given(
    seed=st.integers(0, 2**32 - 1),
    gamma=st.sampled_from([0.0, 0.9, 0.995, 1.0]),
    team_spirit=st.floats(0, 1),
)
@few
def test_lucys_reward_equals_its_twin(
    seed: int, gamma: float, team_spirit: float, random_states: Callable
) -> None:
    rng = np.random.default_rng(seed)
    spec = LUCY.model_copy(update={"gamma": gamma, "team_spirit": team_spirit})
    start, *steps = (random_states(rng, MIXED) for _ in range(4))
    mask = start.car_mask
    twin = TwinReward(spec, start)
    for ours, states in zip(play(spec, start, steps)[1], steps, strict=True):
        wanted = twin.step(states)
        for part, want in zip(ours, (*wanted, wanted[-1].sum(-1)), strict=True):
            np.testing.assert_allclose(part[mask], want[mask], atol=1e-4)


def random_spec(rng: np.random.Generator) -> RewardSpec:
    def term(depth: int) -> dict:
        if depth and rng.random() < 0.5:
            parts = [term(depth - 1) for _ in range(rng.integers(1, 4))]
            return {str(rng.choice(["krc", "sum"])): parts, "weight": rng.normal()}
        component = str(rng.choice(list(TWINS)))
        extra = {
            key: bool(rng.integers(2)) if isinstance(default, bool) else rng.uniform(0.4, 2)
            for key, default in COMPONENTS[component].parameters.items()
        }
        return {"component": component, "weight": rng.normal()} | extra

    terms = [term(3) | {"name": f"term {k}"} for k in range(6)]
    n = int(rng.integers(0, 7))
    gamma, spirit, zero_sum = rng.random(3)
    lists = {"potential": terms[:n], "events": terms[n:]}
    sharing = {"gamma": gamma, "team_spirit": spirit, "zero_sum": zero_sum}
    return RewardSpec.model_validate(lists | sharing)


@seeds
@few
def test_any_spec_equals_its_twin(seed: int, random_states: Callable) -> None:
    rng = np.random.default_rng(seed)
    spec = random_spec(rng)
    start, *steps = (random_states(rng, MIXED) for _ in range(3))
    twin = TwinReward(spec, start)
    for ours, states in zip(play(spec, start, steps)[1], steps, strict=True):
        for part, want in zip(ours, twin.step(states), strict=False):
            np.testing.assert_allclose(part[start.car_mask], want[start.car_mask], atol=1e-3)


def test_names_are_the_terms_in_order() -> None:
    reward = RewardFunction(LUCY, allocate(np.ones((1, 2), np.bool_), team_slots(1)))
    assert reward.names[:2] == ("distance_ball_to_goal_difference", "velocity_ball_to_goal")
    assert reward.names[3:6] == (
        "distance_weighted_align_ball_to_goal",
        "offensive_potential",
        "event_goal",
    )


@seeds
@few
def test_decomposition_adds_up_to_the_total(seed: int, random_states: Callable) -> None:
    rng = np.random.default_rng(seed)
    start, *steps = (random_states(rng, MIXED) for _ in range(3))
    for *_, reward, total in play(LUCY, start, steps)[1]:
        np.testing.assert_allclose(reward.sum(axis=-1), total, atol=1e-4)


@seeds
@few
def test_orange_is_paid_what_blue_is_in_the_mirror(seed: int, random_states: Callable) -> None:
    def mirrored(states: GameStates) -> GameStates:
        seen = {}
        for name, array in states._asdict().items():
            if name in PER_CAR:
                array = np.roll(array, 2, axis=1)
            if name.endswith(("position", "velocity", "forward", "right", "up")):
                array = array * np.float32([-1, -1, 1])
            seen[name] = array[:, ::-1].copy() if name == "score" else array
        return GameStates(**seen)

    rng = np.random.default_rng(seed)
    states = [random_states(rng, ["2v2"] * 4) for _ in range(4)]
    for spec in (LUCY, EVERY_COMPONENT):
        paid = play(spec, states[0], states[1:])[1]
        _, paid_mirrored = play(spec, mirrored(states[0]), [mirrored(s) for s in states[1:]])
        for ours, theirs in zip(paid, paid_mirrored, strict=True):
            for part, other in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(np.roll(other, 2, axis=1), part, atol=1e-5)


@seeds
@few
def test_order_of_arenas_changes_nothing(seed: int, random_states: Callable) -> None:
    def turned(states: GameStates) -> GameStates:
        views = {k: v[::-1].copy() for k, v in states._asdict().items() if k != "car_team"}
        return states._replace(**views)

    rng = np.random.default_rng(seed)
    states = [random_states(rng, MIXED) for _ in range(3)]
    straight = play(LUCY, states[0], states[1:])[1]
    other = play(LUCY, turned(states[0]), [turned(s) for s in states[1:]])[1]
    for ours, theirs in zip(straight, other, strict=True):
        np.testing.assert_array_equal(theirs[-1][::-1], ours[-1])


@seeds
@few
def test_order_of_cars_in_a_team_changes_nothing(seed: int, random_states: Callable) -> None:
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(3), 3 + rng.permutation(3)])

    def reordered(states: GameStates) -> GameStates:
        cars = {name: getattr(states, name) for name in PER_CAR}
        return states._replace(**{k: np.ascontiguousarray(v[:, order]) for k, v in cars.items()})

    states = [random_states(rng, ["3v3"] * 3) for _ in range(3)]
    straight = play(LUCY, states[0], states[1:])[1]
    other = play(LUCY, reordered(states[0]), [reordered(s) for s in states[1:]])[1]
    for ours, theirs in zip(straight, other, strict=True):
        np.testing.assert_allclose(theirs[-1], ours[-1][:, order], atol=1e-4)


@given(seed=st.integers(0, 2**32 - 1), team_spirit=st.floats(0, 1))
@few
def test_teams_of_equal_size_play_for_zero(
    seed: int, team_spirit: float, random_states: Callable
) -> None:
    # Σ R' = (1-τ)(B+O) + τ(B+O) - (O+B) = 0 for sums B and O over n cars each
    rng = np.random.default_rng(seed)
    spec = LUCY.model_copy(update={"team_spirit": team_spirit})
    start, *steps = (random_states(rng, MIXED) for _ in range(3))
    for _, _, undistributed, _, total in play(spec, start, steps)[1]:
        assert undistributed.any()
        np.testing.assert_allclose(total.sum(axis=1), 0, atol=1e-3)


@pytest.mark.parametrize("team_spirit", [0.0, 1.0])
def test_team_spirit_at_its_ends(team_spirit: float, random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    spec = LUCY.model_copy(update={"team_spirit": team_spirit})
    states = [random_states(rng, ["3v3"] * 4) for _ in range(3)]
    for _, _, undistributed, _, total in play(spec, states[0], states[1:])[1]:
        paid = undistributed.sum(axis=-1).reshape(4, 2, 3)
        mean = paid.mean(axis=2, keepdims=True)
        own = paid if team_spirit == 0 else np.broadcast_to(mean, paid.shape)
        np.testing.assert_allclose(total.reshape(4, 2, 3), own - mean[:, ::-1], atol=1e-4)


GOAL_BOUND = np.exp(0.5 * 972.75 / 6000)
BOUNDS = {
    "distance_player_to_ball": (0, np.exp(0.5 * R / 2300)),
    "distance_ball_to_goal": (0, GOAL_BOUND),
    "signed_distance_ball_to_goal": (-1, 2 * np.exp(0.5 * 972.75 / 4570) - 1),
    "distance_ball_to_goal_difference": (-GOAL_BOUND, GOAL_BOUND),
    "touch_ball_to_goal_acceleration": (-2 * 6000 / 2300, 2 * 6000 / 2300),
    "touch_strength": (0, 2),
    **dict.fromkeys(
        [
            "velocity_ball_to_goal",
            "velocity_player_to_ball",
            "align_ball_to_goal",
            "face_ball",
            "kickoff",
            "goal_probability",
            "ball_y_coordinate",
        ],
        (-1, 1),
    ),
    **dict.fromkeys(
        [
            "save_boost",
            "boost_gain",
            "boost_loss",
            "velocity_player",
            "speed_toward_ball",
            "speed_toward_goal",
            "air_time",
            "flip_reset",
            "touch_ball_aerial_linear",
            "event_touch",
            "event_demoed",
            "offensive_pressure",
            "defensive_pressure",
            "counter_pressure",
        ],
        (0, 1),
    ),
} | {f"event_{name}": (0, 3) for name in ("goal", "team_goal", "concede", "shot", "save", "demo")}


@seeds
@few
def test_components_keep_their_bounds(seed: int, random_states: Callable) -> None:
    rng = np.random.default_rng(seed)
    states = [random_states(rng, ["3v3"] * 20) for _ in range(2)]
    reward, ((value, *_),) = play(EVERY_COMPONENT, states[0], states[1:])
    for k, name in enumerate(reward.names):
        if name not in BOUNDS:
            continue
        low, high = BOUNDS[name]
        assert value[..., k].min() >= low - 1e-5, name
        assert value[..., k].max() <= high + 1e-5, name


def test_coincident_positions_and_still_things_are_no_trouble() -> None:
    states = allocate(np.ones((3, 4), np.bool_), team_slots(2))
    states.car_ball_touched[:] = True
    goal_back = np.array([0, 6000, 321.3875], np.float32)
    # At one point: the cars and the ball; the cars and a goal; the ball and a goal
    states.car_position[1] = states.ball_position[2] = goal_back
    for spec in (LUCY, EVERY_COMPONENT):
        _, paid = play(spec, states, [states, states])
        assert all(np.isfinite(part).all() for parts in paid for part in parts)
    reward, ((value, *_), _) = play(EVERY_COMPONENT, states, [states, states])
    meeting = dict(zip(reward.names, value[0, 0], strict=True))
    assert meeting["align_ball_to_goal"] == meeting["velocity_player_to_ball"] == 0
    assert meeting["distance_player_to_ball"] == pytest.approx(np.exp(0.5 * R / 2300))


def combined(factors: list[float]) -> float:
    values = np.array(factors)[:, None]
    out = np.zeros(1)
    krc(values, np.arange(len(factors)), np.ones(len(factors)), np.zeros(1), out)
    return float(out[0])


def test_krc_of_equal_factors_is_the_factor() -> None:
    for size in (0.01, 0.5, 2.0):
        for n in range(1, 6):
            assert combined([size] * n) == pytest.approx(size)


def test_krc_is_the_geometric_mean() -> None:
    assert combined([0.1, 0.4]) == pytest.approx(0.2)
    assert combined([0.1, 0.4, 0.2]) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("factors", "sign"),
    [([1, 1], 1), ([-1, 1], -1), ([1, -1, 1], -1), ([-1, -1], -1), ([-1, -1, -1], -1)],
)
def test_krc_is_positive_only_where_every_factor_is(factors: list[float], sign: int) -> None:
    assert combined([0.3 * factor for factor in factors]) == pytest.approx(sign * 0.3)


def test_krc_with_a_zero_is_zero() -> None:
    assert combined([0.5, 0.0, -0.5]) == 0


def test_small_arenas_of_a_mixed_pool_are_paid_as_alone(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    states = [random_states(rng, MIXED) for _ in range(4)]
    mixed = play(LUCY, states[0], states[1:])[1]
    for arena in range(3):
        slots = states[0].car_mask[arena]

        def alone(whole: GameStates, arena: int = arena, slots: np.ndarray = slots) -> GameStates:
            cut = {}
            for name, array in select(whole, slice(arena, arena + 1))._asdict().items():
                if name == "car_team" or name in PER_CAR:
                    array = array[slots] if name == "car_team" else array[:, slots]
                cut[name] = np.ascontiguousarray(array)
            return GameStates(**cut)

        own = play(LUCY, alone(states[0]), [alone(s) for s in states[1:]])[1]
        for ours, theirs in zip(mixed, own, strict=True):
            for part, want in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(part[arena, slots], want[0])
                assert not part[arena, ~slots].any()


def test_stepping_in_pieces_equals_stepping_whole(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    modes = MIXED * 2
    start, *steps = (random_states(rng, modes) for _ in range(4))
    whole = play(LUCY, start, steps)[1]
    pieces = RewardFunction(LUCY, start)
    for arenas in (np.array([1, 4]), np.array([0, 2, 3, 5])):
        pieces.reset(start, arenas)
    cuts = ([0, 1, 4, 6], [0, 4, 6], [0, 1, 3, 4, 6])
    for states, cut, (*_, reward, total) in zip(steps, cuts, whole, strict=True):
        for rows in map(slice, cut[:-1], cut[1:]):
            pieces.step(select(states, rows), rows)
        np.testing.assert_array_equal(pieces.total, total)
        np.testing.assert_array_equal(pieces.decomposition.reward, reward)


def test_a_reset_touches_its_own_arenas_only(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    start, first, fresh, second = (random_states(rng, ["1v1"] * 3) for _ in range(4))
    everywhere = slice(0, 3)
    going, cut = RewardFunction(LUCY, start), RewardFunction(LUCY, start)
    for reward in (going, cut):
        reward.reset(start, np.arange(3))
        reward.step(first, everywhere)
    cut.reset(fresh, np.array([1]))
    going.step(second, everywhere)
    cut.step(second, everywhere)
    np.testing.assert_array_equal(cut.total[[0, 2]], going.total[[0, 2]])
    begun = play(LUCY, fresh, [second])[1][0][-1]
    np.testing.assert_array_equal(cut.total[1], begun[1])


def test_shaping_telescopes(random_states: Callable) -> None:
    rng = np.random.default_rng(0)
    start, *steps = (random_states(rng, ["2v2"] * 3) for _ in range(8))
    n = len(LUCY.potential)
    _, paid = play(LUCY, start, steps)
    shaped = sum(parts[2][..., :n] for parts in paid)
    weight = [term.weight for term in LUCY.potential]
    gained = (paid[-1][0][..., :n] - paid[0][0][..., :n]) * weight
    np.testing.assert_allclose(shaped, gained, atol=1e-4)


def test_touch_and_demolition_pay_only_when_they_begin(random_states: Callable) -> None:
    start = random_states(np.random.default_rng(0), ["1v1"])
    flags = [False, True, True, False, True]
    steps = [copy(start) for _ in flags]
    for states, flag in zip((start, *steps), (False, *flags), strict=True):
        states.car_ball_touched[:] = states.car_is_demoed[:] = flag
    reward, paid = play(EVERY_COMPONENT, start, steps)
    for name in ("event_touch", "event_demoed"):
        k = reward.names.index(name)
        assert [value[0, 0, k] for value, *_ in paid] == [0, 1, 0, 0, 1]


def test_counters_of_an_earlier_episode_pay_nothing(random_states: Callable) -> None:
    # Counters run on over episodes: only their increase is an event
    start = random_states(np.random.default_rng(0), ["2v2"])
    start.score[:] = 7
    start.car_goals[:] = start.car_saves[:] = start.car_demos[:] = 5
    _, ((value, *_),) = play(EVERY_COMPONENT, start, [copy(start)])
    events = [k for k, name in enumerate(EVERY_COMPONENT.terms) if name.name.startswith("event_")]
    assert not value[..., events].any()


def test_a_fast_ball_into_the_goal_is_worth_its_speed(random_states: Callable) -> None:
    # By hand: a ball on the line between the goal-back points, at full speed toward orange's
    states = random_states(np.random.default_rng(0), ["1v1"])
    states.ball_position[0] = 0, 0, 321.3875
    states.ball_linear_velocity[0] = 0, BALL_MAX_SPEED, 0
    reward, ((value, *_),) = play(EVERY_COMPONENT, states, [copy(states)])
    k = reward.names.index("velocity_ball_to_goal")
    np.testing.assert_allclose(value[0, :, k], [1, -1], atol=1e-6)
