"""The rollout, kept on the learner's device and written in place."""

# Tensors stand where Stable-Baselines3's buffer has arrays
# pyright: reportIncompatibleVariableOverride=false

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from torch import Tensor

_FILLED_STEPS = 64  # at a time: each copy to a GPU waits for it


class Batch(NamedTuple):
    """Pieces of n agents' trajectories: L steps each, and the F - L frames before them.

    A minibatch of single samples has L = F = 1. Frames from before an episode's start are
    other episodes': `age` says how many frames of its own episode a step has behind it.
    The observations, which are most of a sample, stay in the buffer until a piece is used.
    """

    frames: Tensor  # [F,n] int64, where the buffer's observations have them
    agents: Tensor  # [1,n] int64, and whose they are
    actions: Tensor  # [L,n,heads]
    old_log_prob: Tensor  # [L,n]
    advantages: Tensor  # [L,n]
    returns: Tensor  # [L,n]
    rewards: Tensor  # [L,n]
    age: Tensor  # [L,n] int32, steps since the episode's start

    @property
    def size(self) -> int:
        """Samples."""
        return self.returns.numel()

    def pieces(self, samples: int) -> "list[Batch]":
        """Cut into batches of whole pieces, of about so many samples each."""
        agents = max(samples // self.returns.shape[0], 1)
        columns = zip(*(tensor.split(agents, dim=1) for tensor in self), strict=True)
        return [Batch(*piece) for piece in columns]


class Rollout(NamedTuple):
    """A finished rollout of n agents, T steps: what an update takes of a buffer."""

    observations: np.ndarray  # [T,n,...], the bits of bfloat16 as int16
    actions: np.ndarray  # [T,n,heads] int64
    log_probs: np.ndarray  # [T,n]
    rewards: np.ndarray  # [T,n]
    values: np.ndarray  # [T,n]
    advantages: np.ndarray  # [T,n]
    returns: np.ndarray  # [T,n]
    episode_starts: np.ndarray  # [T,n]
    age: np.ndarray  # [T,n] int32


class DeviceRolloutBuffer(RolloutBuffer):
    """T steps of N agents, observations and actions on the device.

    Rewards, values and what follows from them are NumPy arrays [T,N]: they are small, and
    one kernel makes advantages of them. `cut_off` is what an episode would still have paid
    where time ran out. The buffer keeps the last frames of the rollout before, so that
    windows can reach back over its beginning.

    Args are those of `RolloutBuffer`, and:
        context: how many frames to keep.
        dtype: that observations are kept in; default their space's.
    """

    observations: Tensor  # [context + T,N,...]
    actions: Tensor  # [T,N,heads]
    log_probs: Tensor  # [T,N]

    def __init__(
        self, *args: Any, context: int = 0, dtype: torch.dtype | None = None, **kwargs: Any
    ) -> None:
        self.context, self._dtype = context, dtype
        super().__init__(*args, **kwargs)

    def _allocate(self) -> None:
        steps = (self.buffer_size, self.n_envs)
        frames = (self.context + self.buffer_size, self.n_envs)
        own = torch.from_numpy(np.zeros(1, self.observation_space.dtype)).dtype
        dtype = self._dtype or own
        self.observations = torch.zeros((*frames, *self.obs_shape), dtype=dtype, device=self.device)
        self.actions = torch.zeros((*steps, self.action_dim), dtype=torch.int64, device=self.device)
        self.log_probs = torch.zeros(steps, device=self.device)
        self._pinned = self.device.type == "cuda"
        shape = self.observations.shape[1:]
        self._staging = torch.zeros(shape, dtype=dtype, pin_memory=self._pinned)
        self._landing: Tensor | None = None  # of actions, on their way back
        arrays = [np.zeros(steps, np.float32) for _ in range(6)]
        self.rewards, self.values, self.advantages, self.returns, *rest = arrays
        self.episode_starts, self.cut_off = rest
        self.age = np.zeros(steps, np.int32)
        self._age = np.zeros(self.n_envs, np.int32)
        self._allocated = True

    def reset(self) -> None:
        """Begin a rollout; the last frames of the one before become its context."""
        if not hasattr(self, "_allocated"):
            self._allocate()
        elif self.pos and self.context:
            latest = self.observations[self.pos : self.pos + self.context].clone()
            self.observations[: self.context] = latest
        self.cut_off[:] = 0
        self.pos, self.full = 0, False

    def save(self) -> dict[str, np.ndarray]:
        """What the next rollout looks back at, once this one is full: frames and episodes' ages."""
        frames = self.observations[self.pos : self.pos + self.context]
        return {"frames": frames.float().cpu().numpy(), "age": self._age.copy()}

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Begin with what `save` gave, of a buffer with as many agents and as much context."""
        self.reset()
        self.observations[: self.context] = torch.from_numpy(saved["frames"])
        self._age[:] = saved["age"]

    def observe(self, observations: np.ndarray) -> Tensor:
        """Store what the agents see now, [N,...], and give it as it lies on the device."""
        slot = self.observations[self.context + self.pos]
        source = torch.from_numpy(observations)
        if self._pinned:
            source = self._staging.copy_(source)
        return slot.copy_(source, non_blocking=self._pinned)

    def fetch(self, actions: Tensor) -> np.ndarray:
        """Actions as an array, which the next call may overwrite; waits for the device."""
        if not self._pinned:
            return actions.cpu().numpy()
        if self._landing is None or self._landing.shape != actions.shape:
            self._landing = torch.empty_like(actions, device="cpu", pin_memory=True)
        self._landing.copy_(actions, non_blocking=True)
        torch.cuda.current_stream(self.device).synchronize()
        return self._landing.numpy()

    def record(
        self, actions: Tensor, log_probs: Tensor, rewards: np.ndarray, starts: np.ndarray
    ) -> None:
        """Store what followed from the latest observation.

        Args:
            actions: [N,heads].
            log_probs: [N], of the actions.
            rewards: [N].
            starts: [N] bool, whether the observation began an episode.
        """
        step = self.pos
        self.actions[step] = actions.view(self.n_envs, self.action_dim)
        self.log_probs[step] = log_probs
        self.rewards[step] = rewards
        self.episode_starts[step] = starts
        self._age += 1
        self._age[starts] = 0
        self.age[step] = self._age
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def add(
        self,
        obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        episode_start: np.ndarray,
        value: Tensor,
        log_prob: Tensor,
    ) -> None:
        """Stable-Baselines3's way to store a step: see `RolloutBuffer.add`."""
        self.values[self.pos] = value.cpu().numpy().flatten()
        self.observe(obs)
        self.record(torch.from_numpy(action).to(self.device), log_prob, reward, episode_start)

    def seen(self, batch: Batch) -> Tensor:
        """The observations of a batch's frames, [F,n,...]."""
        rows = batch.frames * self.n_envs + batch.agents
        # Whole rows are copied; indexed by both, every number would be looked up by itself
        taken = self.observations.flatten(0, 1).index_select(0, rows.flatten())
        return taken.unflatten(0, rows.shape)

    def rollout(self) -> Rollout:
        """What has been collected; on a CPU it shares memory with the buffer."""
        columns = (getattr(self, name)[-self.buffer_size :] for name in Rollout._fields)
        return Rollout(*(_as_array(c) if isinstance(c, Tensor) else c for c in columns))

    def fill(self, agents: slice, rollout: Rollout) -> None:
        """Take over what some of the N agents have collected elsewhere."""
        for name, source in rollout._asdict().items():
            target = getattr(self, name)[-self.buffer_size :, agents]
            if isinstance(target, Tensor):
                _copy(source, target)
            else:
                target[:] = source
        self.pos, self.full = self.buffer_size, True

    def compute_returns_and_advantage(self, last_values: Tensor, dones: np.ndarray) -> None:
        """Fill `advantages` and `returns`: see `gae`; `cut_off` is paid beside the rewards."""
        last = last_values.float().cpu().numpy().flatten()
        gae(
            *(
                self.rewards + self.cut_off,
                self.values,
                self.episode_starts,
                last,
                dones.astype(np.float32),
            ),
            *(np.float32(self.gamma), np.float32(self.gae_lambda), self.advantages),
        )
        np.add(self.advantages, self.values, out=self.returns)

    def minibatches(self, batch_size: int, length: int = 1) -> Iterator[Batch]:
        """One epoch: the rollout in minibatches of pieces, in an order drawn from NumPy.

        Args:
            batch_size: samples of a minibatch; if it does not divide the rollout, minibatches
                are of about this size and all alike, as a short one would be a noisy step.
            length: L, consecutive steps of an agent that stay together; divides T. With 1
                the minibatches are Stable-Baselines3's.
        """
        pieces = self.buffer_size // length  # of an agent
        order = self._on_device(
            np.random.permutation(pieces * self.n_envs)  # noqa: NPY002 - seeded by SB3
        ).long()
        rewards, advantages, returns = map(
            self._on_device, (self.rewards, self.advantages, self.returns)
        )
        age = self._on_device(self.age)
        context = self.context if length > 1 else 0
        frames = torch.arange(-context, length, device=self.device)[:, None] + self.context
        steps = torch.arange(length, device=self.device)[:, None]
        # All is on the device before the first minibatch: a copy between two would wait for it
        for chosen in order.tensor_split(max(round(len(order) * length / batch_size), 1)):
            start, agent = chosen % pieces * length, chosen // pieces
            at = (steps + start, agent)
            yield Batch(
                *(frames + start, agent[None]),
                *(source[at] for source in (self.actions, self.log_probs)),
                *(source[at] for source in (advantages, returns, rewards, age)),
            )

    def _on_device(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def _as_array(tensor: Tensor) -> np.ndarray:
    """As `Rollout` has it; on a CPU it shares memory with the tensor."""
    tensor = tensor.cpu()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _copy(source: np.ndarray, target: Tensor) -> None:
    if target.device.type == "cpu" and _as_array(target).dtype == source.dtype:
        np.copyto(_as_array(target), source)
        return
    for first in range(0, len(source), _FILLED_STEPS):
        # Copied, as PyTorch warns of memory that it must not write to
        values = torch.from_numpy(source[first : first + _FILLED_STEPS].copy())
        if source.dtype == np.int16:
            values = values.view(torch.bfloat16)
        target[first : first + _FILLED_STEPS].copy_(values)


@numba.njit(cache=True, nogil=True)
def gae(rewards, values, episode_starts, last_values, last_dones, gamma, gae_lambda, advantages):
    """Generalised advantage estimation, backwards through the rollout.

    A_t = δ_t + γλ A_{t+1}, δ_t = r_t + γ V_{t+1} - V_t, where the terms of t+1 vanish if an
    episode started there. Source: arXiv 1506.02438.

    Args:
        rewards: [T,N] float32, r; like the next two.
        values: [T,N], V.
        episode_starts: [T,N], 1 where an episode started.
        last_values: [N] float32, V after the last step.
        last_dones: [N] float32, 1 where an episode ended with the last step.
        gamma: γ, float32.
        gae_lambda: λ, float32.
        advantages: [T,N] float32, overwritten.
    """
    steps, agents = rewards.shape
    for t in range(steps - 1, -1, -1):
        last = t == steps - 1
        for n in range(agents):
            ended = last_dones[n] if last else episode_starts[t + 1, n]
            following = last_values[n] if last else values[t + 1, n]
            advantage = np.float32(0) if last else advantages[t + 1, n]
            goes_on = gamma * (np.float32(1) - ended)
            advantages[t, n] = (
                rewards[t, n]
                + goes_on * following
                - values[t, n]
                + goes_on * gae_lambda * advantage
            )
