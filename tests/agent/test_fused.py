"""The actor's kernel gives what the policy's network in PyTorch gives."""

from typing import Any

import numpy as np
import pytest
import torch

from lucy.agent.config import NetworkConfig, load_preset
from lucy.agent.environment import build_env
from lucy.agent.fused import FusedActor, logits_of
from lucy.agent.opponents.policy_bot import untrained_policy
from lucy.agent.policy import LucyPolicy
from lucy.agent.ppo import AuxPPO
from lucy.agent.train import build_model
from lucy.sim.observations import LucyObservation, NectoObservation, Observation

from .conftest import tiny_config

NETWORKS = {
    "lucy-cpu": load_preset("lucy-cpu").network,
    "lucy-skg": load_preset("lucy-skg").network,
    "no multiples of four": NetworkConfig(width=15, blocks=3, heads=3, feedforward=7),
}


def lively(network: NetworkConfig, observation: type[Observation] = LucyObservation) -> LucyPolicy:
    """Every number of its network is a fresh one, so that none is missed."""
    torch.manual_seed(1)
    policy = untrained_policy(network, "kbm", observation)
    with torch.no_grad():
        for weights in policy.parameters():
            weights += torch.randn_like(weights) * 0.1
    return policy


def seen(agents: int, columns: int = LucyObservation.n_columns) -> torch.Tensor:
    """The last two of five rows padded, or one of them, or none."""
    torch.manual_seed(2)
    observations = torch.randn(agents, 6, columns)
    observations[..., -1] = 0
    observations[::2, -1, -1] = 1
    observations[::3, -2:, -1] = 1
    return observations


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("agents", [1, 32, 70])
def test_logits_equal_the_networks(network: NetworkConfig, agents: int) -> None:
    policy, observations = lively(network), seen(agents)
    torch.testing.assert_close(
        torch.from_numpy(logits_of(policy)(observations.numpy())),
        policy.action_logits(observations),
        atol=1e-4,
        rtol=1e-4,
    )


def test_takes_other_observations() -> None:
    policy = lively(NETWORKS["lucy-cpu"], NectoObservation)
    observations = seen(5, NectoObservation.n_columns)
    expected = policy.action_logits(observations)
    own = torch.from_numpy(logits_of(policy)(observations.numpy()))
    torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4)


def test_draws_what_the_policy_draws() -> None:
    policy, observations = lively(NETWORKS["lucy-cpu"]), seen(500)
    torch.manual_seed(3)
    actions, log_probs = FusedActor(policy)(observations)
    torch.manual_seed(3)
    with torch.no_grad():
        distribution = policy.get_distribution(observations)
    expected = distribution.get_actions()
    assert torch.equal(actions, expected)
    torch.testing.assert_close(log_probs, distribution.log_prob(expected), atol=1e-5, rtol=1e-5)


def test_an_agent_is_the_same_in_any_company() -> None:
    logits = logits_of(lively(NETWORKS["lucy-cpu"]))
    observations = seen(70).numpy()
    together = logits(observations)
    alone = np.concatenate([logits(observations[i : i + 1]) for i in range(len(observations))])
    np.testing.assert_array_equal(alone, together)


def test_takes_arrays_as_they_come() -> None:
    logits = logits_of(lively(NETWORKS["lucy-cpu"]))
    observations = seen(8).numpy()
    expected = logits(observations)
    read_only = observations.copy()
    read_only.flags.writeable = False
    strided = np.repeat(observations, 2, axis=0)[::2]
    for given in (read_only, strided, observations.astype(np.float64)):
        np.testing.assert_array_equal(logits(given), expected)
    assert logits(observations[:0]).shape == (0, expected.shape[1])


@pytest.mark.parametrize("changes", [{}, {"learner__precision": "bf16"}], ids=["float32", "bf16"])
def test_a_rollout_is_drawn_and_valued_by_the_weights_of_its_time(changes: dict[str, Any]) -> None:
    """By the kernel in float32, by PyTorch in bf16."""
    config = tiny_config(ppo__learning_rate=0.1, **changes)
    env = build_env(config.environment, seed=0)
    model = build_model(config, env, torch.device("cpu"))
    tolerance = 0.05 if changes else 1e-4
    _, callback = model._setup_learn(0)
    for _ in range(2):
        model.collect_rollouts(env, callback, model.rollout_buffer, model.n_steps)
        _assert_made_by(model, tolerance)
        model.train()
        with pytest.raises(AssertionError):  # the update has moved them
            _assert_made_by(model, tolerance)
    env.close()


def _assert_made_by(model: AuxPPO, tolerance: float) -> None:
    buffer = model.rollout_buffer
    given = (buffer.observations.flatten(0, 1).float(), buffer.actions.flatten(0, 1))
    with torch.no_grad():
        values, log_probs, _ = model.policy.evaluate_actions(*given)
    made = torch.cat([torch.from_numpy(buffer.values).flatten(), buffer.log_probs.flatten()])
    expected = torch.cat([values.flatten(), log_probs])
    torch.testing.assert_close(made, expected, atol=tolerance, rtol=0)
