"""The network computes what its description says."""

import numpy as np
import pytest
import torch
from torch import nn

from lucy.agent import perceiver
from lucy.agent.config import NetworkConfig, load_preset
from lucy.agent.environment import build_env
from lucy.agent.perceiver import CrossAttention, Perceiver, Rows
from lucy.agent.policy import LucyPolicy
from lucy.agent.train import build_model
from lucy.sim.actions import ACTION_TABLES

FEATURES = {"query_features": 63, "row_features": 23}


def split(observations: torch.Tensor) -> Rows:
    return perceiver.split(observations, 23)


def observations(batch: int, rows: int, padded: int) -> torch.Tensor:
    out = torch.randn(batch, rows, 64)
    out[..., -1] = 0
    out[:, rows - padded :, -1] = 1
    return out


def test_cross_attention_equals_torchs_multihead_attention() -> None:
    torch.manual_seed(0)
    ours, theirs = CrossAttention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    x, y = torch.randn(5, 16), torch.randn(5, 3, 16)
    padded = torch.tensor([[False, False, True]]).expand(5, 3)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(
            torch.cat([ours.query.weight, ours.key.weight, ours.value.weight])
        )
        bias = torch.cat([ours.query.bias, torch.randn(16), ours.value.bias])
        theirs.in_proj_bias.copy_(bias)  # a key bias changes nothing
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    expected, _ = theirs(x[:, None], y, y, key_padding_mask=padded)
    torch.testing.assert_close(ours(x, y, padded), expected[:, 0], atol=1e-6, rtol=1e-5)


def test_padded_rows_change_nothing() -> None:
    torch.manual_seed(0)
    network = Perceiver(**FEATURES, width=16, blocks=2, heads=4, feedforward=32)
    full = observations(4, rows=8, padded=4)
    other = full.clone()
    other[:, 4:, :-1] = torch.randn(4, 4, 63)
    torch.testing.assert_close(network(split(full)), network(split(other)))
    torch.testing.assert_close(
        network(split(full)), network(split(full[:, :4])), atol=1e-6, rtol=1e-5
    )


def test_players_order_does_not_matter() -> None:
    torch.manual_seed(0)
    network = Perceiver(**FEATURES, width=16, blocks=1, heads=2, feedforward=32)
    rows = observations(4, rows=5, padded=0)
    torch.testing.assert_close(network(split(rows)), network(split(rows[:, [0, 4, 2, 1, 3]])))


def test_published_size() -> None:
    config = load_preset("lucy-skg")
    parameters = sum(
        p.numel() for p in Perceiver(**FEATURES, **_shape(config.network)).parameters()
    )
    assert 2 * parameters == pytest.approx(0.88e6, rel=0.01)


def _shape(network: NetworkConfig) -> dict[str, int]:
    return network.model_dump(exclude={"initial_odds"})


def test_fresh_policy_plays_the_configured_odds() -> None:
    config = load_preset(
        "lucy-cpu",
        {
            "environment.arenas": 2,
            "ppo.batch_size": 64,
            "network.initial_odds": {"jump": [9, 1]},
        },
    )
    env = build_env(config.environment, seed=0)
    policy = build_model(config, env, torch.device("cpu")).policy
    assert isinstance(policy, LucyPolicy)
    logits = policy.action_logits(torch.from_numpy(env.reset()))
    edges = np.cumsum(ACTION_TABLES["kbm"].nvec)[:-1].tolist()
    throttle, _, jump, *_ = torch.tensor_split(logits, edges, dim=1)
    torch.testing.assert_close(
        throttle.softmax(1), torch.full_like(throttle, 1 / 3), atol=0.05, rtol=0
    )
    torch.testing.assert_close(jump.softmax(1)[:, 1], torch.full((4,), 0.1), atol=0.02, rtol=0)
    env.close()
