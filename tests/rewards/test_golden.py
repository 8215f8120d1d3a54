"""The rewards against what the published code paid on recorded play."""

import numpy as np
import pytest

from lucy.rewards.spec import RewardSpec, load_spec
from lucy.rewards.trajectory import evaluate_trajectory

ALIGN = {"component": "align_ball_to_goal", "defense": 0.5, "offense": 0.5}
# Columns whose name is not the component's
COLUMNS = {
    "ball_y_coordinate": {"component": "ball_y_coordinate", "exponent": 3},
    "distance_player_to_ball_dispersion1.1_density1.3": {
        "component": "distance_player_to_ball",
        "dispersion": 1.1,
        "density": 1.3,
    },
    "distance_ball_to_goal_dispersion0.6_density1.1": {
        "component": "distance_ball_to_goal",
        "dispersion": 0.6,
        "density": 1.1,
    },
    "distance_ball_to_goal_own_goal": {"component": "distance_ball_to_goal", "own_goal": True},
    "signed_distance_ball_to_goal_dispersion1.2_density0.8": {
        "component": "signed_distance_ball_to_goal",
        "dispersion": 1.2,
        "density": 0.8,
    },
    "distance_ball_to_goal_difference_off0.6_def0.4": {
        "component": "distance_ball_to_goal_difference",
        "offense_dispersion": 0.6,
        "defense_dispersion": 0.4,
    },
    "align_ball_to_goal_defense0.5_offense0.5": ALIGN,
    "touch_ball_aerial_weight0.2": {"component": "touch_ball_aerial", "exponent": 0.2},
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
}


def test_every_component_equals_its_column(golden) -> None:
    columns = [name.removeprefix("reward/") for name in golden.columns if name[:7] == "reward/"]
    assert len(columns) == 31
    terms = [{"name": name, **COLUMNS.get(name, {"component": name})} for name in columns]
    spec = RewardSpec.model_validate({"events": terms})
    value = evaluate_trajectory(spec, golden.states).decomposition.value
    for k, column in enumerate(columns):
        want = golden[f"reward/{column}"]
        assert np.isnan(want).any()
        np.testing.assert_allclose(value[..., k], want, atol=1e-4, err_msg=column)


@pytest.mark.parametrize("bot", ["necto", "nexto"])
def test_the_published_bots_rewards(golden, bot: str) -> None:
    total = evaluate_trajectory(load_spec(bot), golden.states).total
    np.testing.assert_allclose(total, golden[f"{bot}/total"], atol=1e-4)


def test_lucys_reward_and_its_parts(golden) -> None:
    spec = load_spec("lucy-skg")
    lucy = evaluate_trajectory(spec, golden.states)
    n = len(spec.potential)
    undistributed = lucy.decomposition.undistributed
    parts = {
        "potential": lucy.decomposition.weighted[..., :n].sum(axis=-1),
        "shaping": undistributed[..., :n].sum(axis=-1),
        "events": undistributed[..., n:].sum(axis=-1),
        "undistributed": undistributed.sum(axis=-1),
        "total": lucy.total,
    }
    for name, part in parts.items():
        np.testing.assert_allclose(part, golden[f"lucy/{name}"], atol=1e-4, err_msg=name)


def test_lucys_reward_with_a_discounted_potential(golden) -> None:
    spec = load_spec("lucy-skg").model_copy(update={"gamma": 0.995})
    want = golden["lucy/total_gamma0.995"]
    np.testing.assert_allclose(evaluate_trajectory(spec, golden.states).total, want, atol=1e-4)


def test_the_first_step_of_an_episode_pays_no_shaping(golden) -> None:
    spec = load_spec("lucy-skg")
    parts = evaluate_trajectory(spec, golden.states).decomposition
    shaping = parts.undistributed[..., : len(spec.potential)]
    first = np.flatnonzero(golden.states.episode_start) + 1
    assert (shaping[first] == 0).all()
    assert (shaping[first + 1] != 0).any(axis=(1, 2)).all()
