"""PPO by Stable-Baselines3, with a readable update that refuses to learn from NaN."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from stable_baselines3 import PPO
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.utils import explained_variance
from torch import Tensor

from .errors import LucyError


class NonFiniteLossError(LucyError):
    """A loss or gradient became NaN or infinite; the message names the saved minibatch."""


class Losses(NamedTuple):
    """One minibatch's loss and what it is made of, each a scalar."""

    loss: Tensor
    policy_gradient_loss: Tensor
    value_loss: Tensor
    entropy_loss: Tensor
    approx_kl: Tensor
    clip_fraction: Tensor


def ppo_losses(
    policy: Any, batch: RolloutBufferSamples, clip_range: float, ent_coef: float, vf_coef: float
) -> Losses:
    """The clipped surrogate of PPO with value and entropy terms, as in Stable-Baselines3.

    L = -E[min(rA, clip(r, 1±ε)A)] + c_v E[(R - V)²] - c_e E[H], A normalised in the batch;
    approx_kl = E[(r - 1) - ln r]. Source: arXiv 1707.06347; joschu.net/blog/kl-approx.html.

    Args:
        policy: an `ActorCriticPolicy`.
        batch: [B] samples.
        clip_range: ε.
        ent_coef: c_e.
        vf_coef: c_v.
    """
    values, log_prob, entropy = policy.evaluate_actions(batch.observations, batch.actions)
    advantages = batch.advantages
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    log_ratio = log_prob - batch.old_log_prob
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
    value_loss = torch.nn.functional.mse_loss(batch.returns, values.flatten())
    entropy_loss = -entropy.mean()
    with torch.no_grad():
        approx_kl = (ratio - 1 - log_ratio).mean()
        clip_fraction = ((ratio - 1).abs() > clip_range).float().mean()
    loss = policy_loss + ent_coef * entropy_loss + vf_coef * value_loss
    return Losses(loss, policy_loss, value_loss, entropy_loss, approx_kl, clip_fraction)


class LucyPPO(PPO):
    """Stable-Baselines3's PPO whose `train` stops on the first loss that is not finite.

    Args are those of `PPO`, and:
        after_iteration: called with the model when an update is done and its metrics are
            recorded; the place to save a checkpoint.
        bad_batch_directory: where the offending minibatch goes.
    """

    def __init__(
        self,
        *args: Any,
        after_iteration: Callable[["LucyPPO"], None] = lambda model: None,
        bad_batch_directory: Path = Path(),
        **kwargs: Any,
    ) -> None:
        self.after_iteration = after_iteration
        self.bad_batch_directory = bad_batch_directory
        self.seconds = {"collect": 0.0, "update": 0.0}  # of the latest iteration
        super().__init__(*args, **kwargs)

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        """Fill the rollout buffer; see `PPO`."""
        start = time.perf_counter()
        complete = super().collect_rollouts(*args, **kwargs)
        self.seconds["collect"] = time.perf_counter() - start
        return complete

    def train(self) -> None:
        """Update the policy on the rollout, log the iteration and call `after_iteration`.

        Raises:
            NonFiniteLossError: the policy is as it was before the offending minibatch.
        """
        start = time.perf_counter()
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        recorded: list[Losses] = []
        for _ in range(self.n_epochs):
            for batch in self.rollout_buffer.get(self.batch_size):
                losses = self._minibatch(batch)
                recorded.append(Losses(*(loss.detach() for loss in losses)))
            self._n_updates += 1
        self.seconds["update"] = time.perf_counter() - start
        self._record(recorded)
        self.after_iteration(self)

    def _minibatch(self, batch: RolloutBufferSamples) -> Losses:
        clip_range = self.clip_range(self._current_progress_remaining)  # type: ignore[operator]
        losses = ppo_losses(self.policy, batch, clip_range, self.ent_coef, self.vf_coef)
        self.policy.optimizer.zero_grad()
        losses.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        if not torch.isfinite(losses.loss + norm):
            self._refuse(batch, losses.loss, norm)
        self.policy.optimizer.step()
        return losses

    def _refuse(self, batch: RolloutBufferSamples, loss: Tensor, norm: Tensor) -> None:
        path = self.bad_batch_directory / f"bad-batch-{self.num_timesteps}.safetensors"
        tensors = {name: tensor.contiguous() for name, tensor in batch._asdict().items()}
        save_file(tensors, path)
        broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
        raise NonFiniteLossError(
            f"after {self.num_timesteps} steps the loss is {loss.item()} and the gradient norm "
            f"{norm.item()}; not finite in the minibatch: {broken or 'nothing'}. It is saved as "
            f"{path}. The checkpoints are good: resume with a lower ppo.learning_rate, or look "
            "at the reward and observation that this minibatch shows."
        )

    def _record(self, recorded: list[Losses]) -> None:
        means = torch.stack([torch.stack(losses) for losses in recorded]).mean(dim=0).tolist()
        for name, value in zip(Losses._fields, means, strict=True):
            self.logger.record(f"train/{name}", value)
        buffer = self.rollout_buffer
        variance = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        self.logger.record("train/explained_variance", float(variance))
        samples = buffer.buffer_size * buffer.n_envs
        for name, seconds in self.seconds.items():
            self.logger.record(f"time/{name}_seconds", seconds)
        self.logger.record("time/collected_steps_per_second", samples / self.seconds["collect"])
        self.logger.record("time/overall_steps_per_second", samples / sum(self.seconds.values()))
