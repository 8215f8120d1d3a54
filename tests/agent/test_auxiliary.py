"""The auxiliary tasks compute what they say, and see no other episode."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lucy.agent.auxiliary import (
    WINDOW,
    LatentPrediction,
    RewardPrediction,
    Segment,
    StateRepresentation,
    SuccessorFeatures,
)
from lucy.agent.config import NetworkConfig
from lucy.agent.windows import WindowLSTM, _Windows

NETWORK = NetworkConfig(width=16, blocks=1, heads=2, feedforward=16)
STEPS, AGENTS, ROWS = 6, 3, 4


def segment(seed: int = 0, context: int = WINDOW - 1) -> Segment:
    """Three agents: in an episode's 30th step, an episode that began at step 2, and often."""
    torch.manual_seed(seed)
    frames = context + STEPS
    age = torch.tensor([[30, 9, 0], [31, 10, 1], [32, 0, 0], [33, 1, 1], [34, 2, 0], [35, 3, 1]])
    return Segment(
        query=torch.randn(frames, AGENTS, 16),
        rows=torch.randn(frames, AGENTS, ROWS - 1, 16),
        padded=torch.zeros(frames, AGENTS, ROWS - 1, dtype=torch.bool),
        latent=torch.randn(STEPS, AGENTS, 16),
        observations=torch.randn(frames, AGENTS, ROWS, 64),
        rewards=torch.randn(STEPS, AGENTS) * 0.02,
        age=age.int(),
    )


def as_torch_lstm(ours: WindowLSTM, width: int, memory: int) -> nn.LSTM:
    """PyTorch orders the gates otherwise: the new value before the output gate."""
    order = torch.arange(4 * memory).view(4, memory)[[0, 1, 3, 2]].flatten()
    theirs = nn.LSTM(width, memory).to(ours.bias.dtype)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.project.weight[order])
        theirs.weight_hh_l0.copy_(ours.recurrent[order])
        theirs.bias_ih_l0.copy_(ours.bias[order])
        theirs.bias_hh_l0.zero_()
    return theirs


def test_reward_prediction_equals_a_plain_loop_over_windows() -> None:
    task, given = RewardPrediction(NETWORK, threshold=0.009), segment()
    with torch.no_grad():
        task.memory.bias.normal_()
    lstm = as_torch_lstm(task.memory, 16, 32)
    losses = []
    for t in range(STEPS):
        for n in range(AGENTS):
            window = torch.zeros(WINDOW, 1, 16)
            for back in range(min(int(given.age[t, n]) + 1, WINDOW)):
                frame = t + WINDOW - 1 - back
                one = (slice(frame, frame + 1), slice(n, n + 1))
                parts = (given.query[one], given.rows[one], given.padded[one])
                window[WINDOW - 1 - back] = task.front(*parts)[0]
            logits = task.classes(lstm(window)[0][-1])
            reward = float(given.rewards[t, n])
            label = 2 if reward > 0.009 else 0 if reward < -0.009 else 1
            losses.append(functional.cross_entropy(logits, torch.tensor([label])))
    torch.testing.assert_close(task(given), torch.stack(losses).mean(), atol=1e-5, rtol=1e-5)


def test_windows_have_the_right_gradient() -> None:
    torch.manual_seed(0)
    age = torch.tensor([[0, 9], [1, 2]], dtype=torch.int32)
    given = [torch.randn(*shape, dtype=torch.double) for shape in ((5, 2, 12), (12, 3), (12,))]
    for tensor in given:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w, b: _Windows.apply(x, age, w, b, 4), given)


@pytest.mark.parametrize("task", [RewardPrediction, LatentPrediction, SuccessorFeatures])
def test_other_episodes_do_not_matter(task: type[nn.Module]) -> None:
    torch.manual_seed(0)
    kinds = {RewardPrediction: 0.009, LatentPrediction: 2, SuccessorFeatures: ROWS * 64}
    made, given, other = task(NETWORK, kinds[task]), segment(), segment(seed=1)
    given = given._replace(
        **{name: getattr(given, name)[2:] for name in Segment._fields}  # agent 1 begins an episode
    )
    before = torch.zeros(len(given.query), AGENTS, dtype=torch.bool)
    before[: WINDOW - 1, 1] = True
    changed = given._replace(
        query=torch.where(before[..., None], other.query[2:], given.query),
        rows=torch.where(before[..., None, None], other.rows[2:], given.rows),
        observations=torch.where(
            before[..., None, None], other.observations[2:], given.observations
        ),
    )
    torch.testing.assert_close(made(given), made(changed), atol=1e-7, rtol=0)


def test_latents_are_compared_within_an_episode() -> None:
    torch.manual_seed(0)
    task, given = LatentPrediction(NETWORK, 2), segment()
    pairs = [(0, 0), (1, 0), (2, 0), (3, 0), (2, 1), (3, 1)]  # (step, agent), two steps apart
    likeness = [
        functional.cosine_similarity(task.predict(given.latent[t, n]), given.latent[t + 2, n], 0)
        for t, n in pairs
    ]
    torch.testing.assert_close(task(given), 1 - torch.stack(likeness).mean())


def test_successor_features_follow_the_next_step() -> None:
    torch.manual_seed(0)
    task, given = SuccessorFeatures(NETWORK, ROWS * 64), segment()
    errors = []
    for t in range(STEPS - 1):
        for n in range(AGENTS):
            if given.age[t + 1, n] > 0:
                seen = given.observations[WINDOW + t, n].flatten() @ task.features
                target = 0.05 * (seen > task.thresholds) + 0.95 * task.predict(
                    given.latent[t + 1, n]
                )
                ours = task.predict(given.latent[t, n])
                errors.append(functional.smooth_l1_loss(ours, target))
    torch.testing.assert_close(task(given), torch.stack(errors).mean())


def test_state_representation_rebuilds_negative_features() -> None:
    torch.manual_seed(0)
    task = StateRepresentation(NETWORK, ROWS - 1, 23)
    given = segment(context=0)
    given = given._replace(observations=-given.observations.abs())
    optimizer = torch.optim.Adam(task.parameters(), 1e-2)
    first = task(given).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = task(given)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.25 * first


def test_labels() -> None:
    task = RewardPrediction(NETWORK, threshold=0.5)
    rewards = torch.tensor(np.array([-1, -0.5, 0, 0.5, 0.51], np.float32))
    assert task.labels(rewards).tolist() == [0, 1, 1, 1, 2]
