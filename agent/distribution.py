"""Several discrete choices at once, as one tensor rather than a distribution each."""

import torch
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from torch import Tensor, nn


class PackedMultiCategorical(MultiCategoricalDistribution, nn.Module):
    """Stable-Baselines3's multi-categorical distribution, all heads computed together.

    The heads' logits lie side by side in [B,heads,choices], the shorter heads filled up
    with choices of probability 0. It is a module so that its tables go with the policy to a
    device: moved where a policy acts, they would be inference tensors, which no update can use.
    """

    _exists: Tensor  # [heads,choices] bool
    _columns: Tensor  # [heads*choices], of a head's choice in the logits as they come

    def __init__(self, action_dims: list[int]) -> None:
        """For heads of so many choices."""
        super().__init__(action_dims)
        self._alike = len(set(action_dims)) == 1  # then logits lie side by side as they come
        choices = torch.arange(max(action_dims))
        sizes = torch.tensor(action_dims)
        starts = sizes.cumsum(0) - sizes
        columns = (starts[:, None] + choices.minimum(sizes[:, None] - 1)).flatten()
        self.register_buffer("_exists", choices < sizes[:, None], persistent=False)
        self.register_buffer("_columns", columns, persistent=False)

    def proba_distribution(self, action_logits: Tensor) -> "PackedMultiCategorical":  # type: ignore[override]
        """Take the heads' logits: [B,sum(action_dims)]."""
        logits = action_logits.float()
        if not self._alike:
            logits = self._fill_up(logits)
        self._log_odds = logits.view(-1, *self._exists.shape).log_softmax(dim=-1)
        return self

    def _fill_up(self, logits: Tensor) -> Tensor:
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
