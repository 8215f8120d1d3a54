"""Several discrete choices at once, as one tensor rather than a distribution each."""

import torch
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from torch import Tensor


class PackedMultiCategorical(MultiCategoricalDistribution):
    """Stable-Baselines3's multi-categorical distribution, all heads computed together.

    The heads' logits lie side by side in [B,heads,choices], the shorter heads filled up
    with choices of probability 0.
    """

    def __init__(self, action_dims: list[int]) -> None:
        """For heads of so many choices."""
        super().__init__(action_dims)
        choices = torch.arange(max(action_dims))
        sizes = torch.tensor(action_dims)
        self._exists = choices < sizes[:, None]  # [heads,choices]
        starts = sizes.cumsum(0) - sizes
        self._columns = (starts[:, None] + choices.minimum(sizes[:, None] - 1)).flatten()

    def proba_distribution(self, action_logits: Tensor) -> "PackedMultiCategorical":  # type: ignore[override]
        """Take the heads' logits: [B,sum(action_dims)]."""
        if self._columns.device != action_logits.device:
            self._exists = self._exists.to(action_logits.device)
            self._columns = self._columns.to(action_logits.device)
        packed = action_logits.float().index_select(1, self._columns)
        packed = packed.view(-1, *self._exists.shape)
        # Finite, so that 0 times it is 0 in the entropy
        self._log_odds = packed.masked_fill(~self._exists, -1e9).log_softmax(dim=-1)
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Of the heads' choices [B,heads] -> [B]."""
        return self._log_odds.gather(2, actions.long()[..., None]).sum(dim=(1, 2))

    def entropy(self) -> Tensor:
        """[B]."""
        return -(self._log_odds * self._log_odds.exp()).sum(dim=(1, 2))

    def sample(self) -> Tensor:
        """[B,heads]; where a uniform number falls among the summed probabilities."""
        summed = self._log_odds.exp().cumsum(dim=2)
        drawn = torch.rand_like(summed[..., :1]) * summed[..., -1:]
        return (summed < drawn).sum(dim=2)

    def mode(self) -> Tensor:
        """[B,heads]."""
        return self._log_odds.argmax(dim=2)
