"""The attention kernel and the packed distribution equal their plain forms."""

import pytest
import torch
from stable_baselines3.common.distributions import MultiCategoricalDistribution

from lucy.agent.attention import attend
from lucy.agent.distribution import PackedMultiCategorical


def plain(query: torch.Tensor, rows: torch.Tensor, padded: torch.Tensor) -> torch.Tensor:
    scores = torch.einsum("hbw,bew->hbe", query, rows) * 0.3
    weights = scores.masked_fill(padded, float("-inf")).softmax(dim=2)
    return torch.einsum("hbe,bew->hbw", weights, rows)


def test_attention_and_its_gradient_equal_the_plain_form() -> None:
    torch.manual_seed(0)
    padded = torch.tensor([[False, False, False], [False, True, True]])
    given = [torch.randn(4, 2, 8), torch.randn(2, 3, 8)]
    upstream = torch.randn(4, 2, 8)
    results = []
    for function in (lambda q, y: attend(q, y, padded, 0.3), lambda q, y: plain(q, y, padded)):
        tensors = [tensor.clone().requires_grad_() for tensor in given]
        seen = function(*tensors)
        (seen * upstream).sum().backward()
        results.append([seen, *(tensor.grad for tensor in tensors)])
    for own, other in zip(*results, strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("heads", [[3, 3, 2, 2, 2], [90]])
def test_distribution_equals_stable_baselines(heads: list[int]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(50, sum(heads)) * 3
    ours = PackedMultiCategorical(heads).proba_distribution(logits)
    theirs = MultiCategoricalDistribution(heads).proba_distribution(logits)
    actions = theirs.sample()
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert torch.equal(ours.mode(), theirs.mode())


def test_samples_come_as_often_as_their_probability() -> None:
    torch.manual_seed(0)
    odds = torch.tensor([0.7, 0.2, 0.1, 0.25, 0.75])
    drawn = PackedMultiCategorical([3, 2]).proba_distribution(odds.log().expand(40000, 5)).sample()
    for head, probabilities in enumerate(([0.7, 0.2, 0.1], [0.25, 0.75])):
        often = torch.bincount(drawn[:, head], minlength=len(probabilities)) / 40000
        torch.testing.assert_close(often, torch.tensor(probabilities), atol=0.01, rtol=0)
