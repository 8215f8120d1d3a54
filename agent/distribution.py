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
        self._alike = len(set(action_dims)) == 1  # then logits lie side by side as they come
        choices = torch.arange(max(action_dims))
        sizes = torch.tensor(action_dims)
        self._exists = choices < sizes[:, None]  # [heads,choices]
        starts = sizes.cumsum(0) - sizes
        self._columns = (starts[:, None] + choices.minimum(sizes[:, None] - 1)).flatten()

    def proba_distribution(self, action_logits: Tensor) -> "PackedMultiCategorical":  # type: ignore[override]
        """Take the heads' logits: [B,sum(action_dims)]."""
        logits = action_logits.float()
        if not self._alike:
            logits = self._fill_up(logits)
        self._log_odds = logits.view(-1, *self._exists.shape).log_softmax(dim=-1)
        return self

    def _fill_up(self, logits: Tensor) -> Tensor:
        if self._columns.device != logits.device:
            self._exists = self._exists.to(logits.device)
            self._columns = self._columns.to(logits.device)
        packed = logits.index_select(1, self._columns)
        # Finite, so that 0 times it is 0 in the entropy
        return packed.masked_fill(~self._exists.flatten(), -1e9)

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
