"""The reward against what the published code paid on recorded play."""

import numpy as np

from lucy.rewards.components import COMPONENTS
from lucy.rewards.function import RewardFunction
from lucy.rewards.spec import RewardSpec, load_spec
from lucy.sim.state import select

ALIGN = {"component": "align_ball_to_goal", "defense": 0.5, "offense": 0.5}
COLUMNS = {
    "distance_player_to_ball": {"component": "distance_player_to_ball"},
    "distance_player_to_ball_dispersion1.1_density1.3": {
        "component": "distance_player_to_ball",
        "dispersion": 1.1,
        "density": 1.3,
    },
    "distance_ball_to_goal_difference_off0.6_def0.4": {
        "component": "distance_ball_to_goal_difference",
        "offense_dispersion": 0.6,
        "defense_dispersion": 0.4,
    },
    "velocity_ball_to_goal": {"component": "velocity_ball_to_goal"},
    "velocity_player_to_ball": {"component": "velocity_player_to_ball"},
    "align_ball_to_goal_defense0.5_offense0.5": ALIGN,
    "save_boost": {"component": "save_boost"},
    "krc_distance_weighted_align_ball_to_goal_dispersion1.1": {
        "krc": [ALIGN, {"component": "distance_player_to_ball", "dispersion": 1.1}]
    },
    "krc_offensive_potential_density1.1": {
        "krc": [
            ALIGN,
            {"component": "velocity_player_to_ball"},
            {"component": "distance_player_to_ball", "density": 1.1},
        ]
    },
    "touch_ball_to_goal_acceleration": {"component": "touch_ball_to_goal_acceleration"},
    "event_goal": {"component": "event_goal"},
    "event_team_goal": {"component": "event_team_goal"},
    "event_concede": {"component": "event_concede"},
    "event_touch": {"component": "event_touch"},
    "event_shot": {"component": "event_shot"},
    "event_save": {"component": "event_save"},
    "event_demo": {"component": "event_demo"},
    "event_demoed": {"component": "event_demoed"},
}


def paid(golden, spec: RewardSpec) -> dict[str, np.ndarray]:
    """Value, undistributed [T,C,K] and total [T,C]; NaN where an episode starts."""
    states = golden.states
    reward = RewardFunction(spec, select(states, slice(0, 1)))
    steps, cars = states.car_boost.shape
    terms = np.full((2, steps, cars, len(spec.terms)), np.nan)
    total = np.full((steps, cars), np.nan)
    for t in range(steps):
        now = select(states, slice(t, t + 1))
        if states.episode_start[t]:
            reward.reset(now, np.array([0]))
            continue
        reward.step(now, slice(0, 1))
        terms[:, t] = reward.decomposition.value[0], reward.decomposition.undistributed[0]
        total[t] = reward.total[0]
    return {"value": terms[0], "undistributed": terms[1], "total": total}


def test_every_component_has_a_column() -> None:
    assert {term.get("component") for term in COLUMNS.values()} >= COMPONENTS.keys()


def test_components(golden) -> None:
    terms = [{"name": column, **term} for column, term in COLUMNS.items()]
    value = paid(golden, RewardSpec.model_validate({"events": terms}))["value"]
    for k, column in enumerate(COLUMNS):
        want = golden[f"reward/{column}"]
        assert np.isnan(want).any()
        np.testing.assert_allclose(value[..., k], want, atol=1e-4, err_msg=column)


def test_lucys_reward_and_its_parts(golden) -> None:
    spec = load_spec("lucy-skg")
    lucy = paid(golden, spec)
    n = len(spec.potential)
    weights = [term.weight for term in spec.potential]
    parts = {
        "potential": lucy["value"][..., :n] @ weights,
        "shaping": lucy["undistributed"][..., :n].sum(axis=-1),
        "events": lucy["undistributed"][..., n:].sum(axis=-1),
        "undistributed": lucy["undistributed"].sum(axis=-1),
        "total": lucy["total"],
    }
    for name, part in parts.items():
        np.testing.assert_allclose(part, golden[f"lucy/{name}"], atol=1e-4, err_msg=name)


def test_lucys_reward_with_a_discounted_potential(golden) -> None:
    spec = load_spec("lucy-skg").model_copy(update={"gamma": 0.995})
    want = golden["lucy/total_gamma0.995"]
    np.testing.assert_allclose(paid(golden, spec)["total"], want, atol=1e-4)


def test_the_first_step_of_an_episode_pays_no_shaping(golden) -> None:
    spec = load_spec("lucy-skg")
    shaping = paid(golden, spec)["undistributed"][..., : len(spec.potential)]
    first = np.flatnonzero(golden.states.episode_start) + 1
    assert (shaping[first] == 0).all()
    assert (shaping[first + 1] != 0).any(axis=(1, 2)).all()
