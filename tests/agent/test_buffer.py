"""The rollout buffer keeps what Stable-Baselines3's keeps, and windows besides."""

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import RolloutBuffer

from lucy.agent.buffer import Batch, DeviceRolloutBuffer, gae

SPACES = (
    gymnasium.spaces.Box(-1, 1, (2, 3), np.float32),
    gymnasium.spaces.MultiDiscrete([3, 2]),
)


def plain_gae(rewards, values, starts, last_values, last_dones, gamma, gae_lambda):
    """A_t = Σ_k (γλ)^k δ_{t+k}, up to the episode's end."""
    steps, agents = rewards.shape
    following = np.vstack([values[1:], last_values])
    ended = np.vstack([starts[1:], last_dones])
    delta = rewards + gamma * following * (1 - ended) - values
    out = np.zeros_like(rewards)
    for n in range(agents):
        for t in range(steps):
            weight = 1.0
            for k in range(t, steps):
                out[t, n] += weight * delta[k, n]
                weight *= gamma * gae_lambda
                if ended[k, n]:
                    break
    return out


def test_gae_equals_its_closed_form() -> None:
    random = np.random.default_rng(0)
    rewards, values = random.normal(size=(2, 17, 5)).astype(np.float32)
    starts = (random.random((17, 5)) < 0.2).astype(np.float32)
    last_values = random.normal(size=5).astype(np.float32)
    last_dones = np.array([0, 1, 0, 1, 0], np.float32)
    advantages = np.zeros_like(rewards)
    given = (rewards, values, starts, last_values, last_dones)
    gae(*given, np.float32(0.9), np.float32(0.8), advantages)
    np.testing.assert_allclose(advantages, plain_gae(*given, 0.9, 0.8), atol=1e-5)


def test_gae_of_a_constant_reward() -> None:
    """With V = 0 and λ = 1 the advantage is the discounted sum: (1 - γ^n)/(1 - γ)."""
    rewards = np.ones((10, 1), np.float32)
    nothing, last = np.zeros((10, 1), np.float32), np.zeros(1, np.float32)
    out = np.zeros_like(rewards)
    gae(rewards, nothing, nothing, last, last, np.float32(0.5), np.float32(1), out)
    assert out[0, 0] == pytest.approx((1 - 0.5**10) / 0.5)


def filled(steps: int, agents: int, context: int = 0, rollouts: int = 1) -> DeviceRolloutBuffer:
    """Frame t of agent n shows 100 n + t; episodes of agent n last n + 3 steps."""
    buffer = DeviceRolloutBuffer(steps, *SPACES, n_envs=agents, context=context)
    for rollout in range(rollouts):
        buffer.reset()
        for step in range(steps):
            t = rollout * steps + step
            shown = np.array([100 * n + t for n in range(agents)], np.float32)
            buffer.observe(np.broadcast_to(shown[:, None, None], (agents, 2, 3)).copy())
            starts = np.array([t % (n + 3) == 0 for n in range(agents)])
            actions = torch.stack([torch.arange(agents) % 3, torch.full((agents,), t % 2)], 1)
            buffer.record(actions, -torch.from_numpy(shown), shown / 7, starts)
    return buffer


def test_minibatches_are_stable_baselines() -> None:
    ours = filled(6, 4)
    theirs = RolloutBuffer(6, *SPACES, device="cpu", n_envs=4, gae_lambda=0.9, gamma=0.9)
    ours.gae_lambda = ours.gamma = 0.9
    for t in range(6):
        shown = ours.observations[t].numpy()
        given = (ours.rewards[t], ours.episode_starts[t], torch.zeros(4), ours.log_probs[t])
        theirs.add(shown, ours.actions[t].numpy(), *given)
    for buffer in (ours, theirs):
        buffer.compute_returns_and_advantage(torch.ones(4), np.array([1, 0, 0, 1]))
    np.random.seed(1)  # noqa: NPY002 - what both draw from
    expected = list(theirs.get(8))
    np.random.seed(1)  # noqa: NPY002 - what both draw from
    batches = list(ours.minibatches(8))
    for own, other in zip(batches, expected, strict=True):
        seen = ours.seen(own)
        torch.testing.assert_close(seen[0], other.observations)
        torch.testing.assert_close(own.actions[0].float(), other.actions.float())
        for name in ("old_log_prob", "advantages", "returns"):
            torch.testing.assert_close(getattr(own, name)[0], getattr(other, name))


def test_minibatches_that_do_not_divide_the_rollout_are_alike() -> None:
    buffer = filled(5, 4)
    batches = list(buffer.minibatches(6))
    assert [batch.size for batch in batches] == [7, 7, 6]
    taken = [
        (int(frame), int(agent))
        for batch in batches
        for frame, agent in zip(batch.frames[0], batch.agents[0], strict=True)
    ]
    assert sorted(taken) == [(t, n) for t in range(5) for n in range(4)]
    assert [batch.size for batch in buffer.minibatches(50)] == [20]


def test_pieces_cover_the_rollout_and_reach_back_over_its_beginning() -> None:
    buffer = filled(6, 4, context=5, rollouts=2)
    seen = []
    for batch in buffer.minibatches(12, length=3):
        observations = buffer.seen(batch)
        assert observations.shape == (8, 4, 2, 3)
        frames = observations[..., 0, 0]
        assert torch.equal(frames.diff(dim=0), torch.ones(7, 4))
        assert torch.equal(frames[5:], -batch.old_log_prob)
        n, t = frames[5:].long() // 100, frames[5:].long() % 100
        assert torch.equal(batch.age.long(), t % (n + 3))
        seen += frames[5:].flatten().tolist()
    assert sorted(seen) == sorted(100 * n + t for n in range(4) for t in range(6, 12))


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("others", [None, torch.bfloat16])
def test_what_was_collected_elsewhere_is_taken_over(
    dtype: torch.dtype | None, others: torch.dtype | None
) -> None:
    here = DeviceRolloutBuffer(6, *SPACES, n_envs=5, context=2, dtype=dtype)
    there = DeviceRolloutBuffer(6, *SPACES, n_envs=2, context=2, dtype=others)
    shown = np.random.default_rng(0).normal(size=(6, 2, 2, 3)).astype(np.float32)
    here.reset()
    there.reset()
    for observations in shown:
        there.observe(observations)
        there.record(torch.ones(2, 2), torch.ones(2), np.ones(2), np.zeros(2, np.bool_))
    here.fill(slice(1, 3), there.rollout())
    assert here.full
    expected = torch.from_numpy(shown).to(others or torch.float32).to(dtype or torch.float32)
    assert torch.equal(here.observations[2:, 1:3], expected)
    assert not here.observations[2:, 3:].any() and not here.observations[:2].any()
    assert (here.rewards[:, 1:3] == 1).all() and not here.rewards[:, 3:].any()
    again = DeviceRolloutBuffer(6, *SPACES, n_envs=2, context=2, dtype=others)
    again.restore(there.save())
    assert torch.equal(again.observations[:2], there.observations[-2:])


def test_a_batch_is_cut_into_whole_pieces() -> None:
    (batch,) = filled(6, 4, context=5).minibatches(24, length=6)
    parts = batch.pieces(12)
    assert [part.size for part in parts] == [12, 12]
    whole = Batch(*(torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True)))
    for own, other in zip(whole, batch, strict=True):
        assert torch.equal(own, other)
