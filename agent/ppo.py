"""`AuxPPO`: Stable-Baselines3's PPO with a rollout on the device and a fast, safe update."""

import contextlib
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from safetensors.torch import save_file
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from ..sim.processors import usable_processors
from .auxiliary import RewardPrediction, Segment, build_tasks
from .buffer import Batch, DeviceRolloutBuffer
from .config import AuxiliaryConfig, LearnerConfig
from .device import autocast, kept_casts
from .errors import LucyError
from .fused import FusedActor, FusedNetwork
from .marks import Mark, mark, seconds_between
from .policy import LucyPolicy
from .replicas import Replicas
from .rollouts import RolloutWorkers

_UNSUPPORTED = {"clip_range_vf": None, "target_kl": None, "use_sde": False}
# Observations: a CPU's cache holds what the layers make of so many, a GPU is kept busy by them
_INFERENCE_PIECE = {"cpu": 2048, "cuda": 32768}


class NonFiniteLossError(LucyError):
    """A loss or gradient became NaN or infinite; the message names the saved minibatch.

    Attributes:
        broken: What of the minibatch is not finite.
    """

    def __init__(self, message: str, broken: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.broken = broken


class Losses(NamedTuple):
    """One minibatch's loss and what it is made of, each a scalar."""

    loss: Tensor
    policy_gradient_loss: Tensor
    value_loss: Tensor
    entropy_loss: Tensor
    approx_kl: Tensor
    clip_fraction: Tensor


class Learner(nn.Module):
    """All that an update trains: the policy, and the auxiliary tasks by name."""

    def __init__(self, policy: Any, tasks: nn.ModuleDict) -> None:
        """Of these parts."""
        super().__init__()
        self.policy, self.tasks = policy, tasks


def ppo_losses(
    evaluated: tuple[Tensor, Tensor, Tensor],
    batch: Batch,
    clip_range: float,
    ent_coef: float,
    vf_coef: float,
) -> Losses:
    """The clipped surrogate of PPO with value and entropy terms, as in Stable-Baselines3.

    L = -E[min(rA, clip(r, 1±ε)A)] + c_v E[(R - V)²] - c_e E[H];
    approx_kl = E[(r - 1) - ln r]. Source: arXiv 1707.06347; joschu.net/blog/kl-approx.html.

    Args:
        evaluated: values V, log-probabilities and entropies H that the policy gives the
            samples now, [B].
        batch: the samples; the advantages A are taken as they are.
        clip_range: ε.
        ent_coef: c_e.
        vf_coef: c_v.
    """
    values, log_prob, entropy = evaluated
    advantages = batch.advantages.flatten()
    log_ratio = log_prob - batch.old_log_prob.flatten()
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
    value_loss = torch.nn.functional.mse_loss(batch.returns.flatten(), values.flatten().float())
    entropy_loss = -entropy.mean()
    with torch.no_grad():
        approx_kl = (ratio - 1 - log_ratio).mean()
        clip_fraction = ((ratio - 1).abs() > clip_range).float().mean()
    loss = policy_loss + ent_coef * entropy_loss + vf_coef * value_loss
    return Losses(loss, policy_loss, value_loss, entropy_loss, approx_kl, clip_fraction)


class AuxPPO(PPO):
    """PPO whose rollout stays on the device and whose update stops at what is not finite.

    Minibatches are cut into pieces that fit a CPU's cache, and the cores take the pieces
    side by side; the gradient is the whole minibatch's. Actions are discrete.

    Args are those of `PPO` but clip_range_vf, target_kl and use_sde, and:
        auxiliary: tasks trained beside; any needs a `LucyPolicy`.
        learner: how the update uses the machine.
        after_iteration: called with the model when an update is done and its metrics are
            recorded; the place to save a checkpoint.
        bad_batch_directory: where the offending minibatch goes.

    Raises:
        ValueError: one of the three is set, or the actions are not discrete.
    """

    rollout_buffer: DeviceRolloutBuffer  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(
        self,
        *args: Any,
        auxiliary: AuxiliaryConfig | None = None,
        learner: LearnerConfig | None = None,
        after_iteration: Callable[["AuxPPO"], None] = lambda model: None,
        bad_batch_directory: Path = Path(),
        policy_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name, default in _UNSUPPORTED.items():
            if kwargs.get(name, default) != default:
                raise ValueError(f"AuxPPO has no {name}, got {kwargs[name]!r}: leave it out")
        self.auxiliary = auxiliary or AuxiliaryConfig.model_validate({})
        self.learner = learner or LearnerConfig.model_validate({})
        self.after_iteration = after_iteration
        self.bad_batch_directory = bad_batch_directory
        self.seconds: dict[str, float] = {}  # of the latest iteration, by phase
        self.shares: dict[str, float] = {}  # of its time
        self._iteration_start = 0.0
        self._marks: list[list[Mark]] = []  # of an update's pieces: where each part began
        # Fused Adam is one kernel, and can skip a step on the device
        optimizer = {"optimizer_kwargs": {"eps": 1e-5, "fused": True}}
        kwargs["policy_kwargs"] = optimizer | (policy_kwargs or {})
        kwargs.setdefault("rollout_buffer_class", DeviceRolloutBuffer)
        context = RewardPrediction.context if self.auxiliary.reward_prediction else 0
        # Rounded once, as the networks' first layers would round them every time
        dtype = torch.bfloat16 if self.learner.precision == "bf16" else None
        kwargs.setdefault("rollout_buffer_kwargs", {"context": context, "dtype": dtype})
        with warnings.catch_warnings():  # of short minibatches: ours are all alike
            warnings.filterwarnings("ignore", "You have specified a mini-batch size")
            super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        if not isinstance(self.action_space, (spaces.Discrete, spaces.MultiDiscrete)):
            raise ValueError(
                f"AuxPPO acts in Discrete or MultiDiscrete spaces, got {self.action_space}"
            )
        # Made before the policy went to its device, which gives it new parameters on some
        (group,) = self.policy.optimizer.param_groups
        group["params"] = list(self.policy.parameters())
        cpu = self.device.type == "cpu"
        threads = self.learner.threads or min(torch.get_num_threads(), usable_processors())
        threads = threads if cpu else 1
        self.tasks = nn.ModuleDict()
        self._optimizers: list[torch.optim.Optimizer] = [self.policy.optimizer]
        if self.auxiliary.weights:
            self._setup_tasks()
        learner = Learner(self.policy, self.tasks)
        self._replicas = Replicas(learner, threads, skip=[self.policy.optimizer])

    def _setup_tasks(self) -> None:
        if not isinstance(self.policy, LucyPolicy):
            raise ValueError(
                f"auxiliary tasks {list(self.auxiliary.weights)} learn from a LucyPolicy's "
                f"embeddings, got {type(self.policy).__name__}: leave them out"
            )
        shape = self.policy.observation_space.shape
        assert shape is not None
        tasks = build_tasks(self.auxiliary, self.policy.network, shape, self.policy.row_features)
        self.tasks = tasks.to(self.device)
        self.tasks_optimizer = torch.optim.Adam(
            self.tasks.parameters(), self.lr_schedule(1), eps=1e-5, fused=True
        )
        self._optimizers.append(self.tasks_optimizer)

    def _excluded_save_params(self) -> list[str]:
        ours = ["_replicas", "_optimizers", "tasks", "tasks_optimizer", "after_iteration"]
        return [*super()._excluded_save_params(), *ours]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        modules, tensors = super()._get_torch_save_params()
        return [*modules, *["tasks", "tasks_optimizer"] * bool(self.tasks)], tensors

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return autocast(self.device, bf16=self.learner.precision == "bf16")

    @staticmethod
    @contextlib.contextmanager
    def _one_thread_an_operator() -> Iterator[None]:
        """Small operators split among threads wait for each other longer than they work."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the rollout buffer, by hand or from workers; see `PPO`."""
        assert isinstance(rollout_buffer, DeviceRolloutBuffer)
        workers = getattr(env, "simulation", None)
        if isinstance(workers, RolloutWorkers):
            return self._gather(workers, callback, rollout_buffer)
        with self._one_thread_an_operator(), kept_casts():
            return self._collect(env, callback, rollout_buffer)

    def _collect(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: DeviceRolloutBuffer
    ) -> bool:
        start = time.perf_counter()
        self._iteration_start = self._iteration_start or start
        self.seconds = {"environment": 0.0, "inference": 0.0}
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        cut: list[tuple[int, int, np.ndarray]] = []
        dones = np.zeros(env.num_envs, np.bool_)
        act = self._actor()
        while not rollout_buffer.full:
            began = time.perf_counter()
            assert isinstance(self._last_obs, np.ndarray)
            actions, log_probs = act(rollout_buffer.observe(self._last_obs))
            chosen = rollout_buffer.fetch(actions)
            acted = time.perf_counter()
            new_obs, rewards, dones, infos = env.step(chosen)
            self.seconds["inference"] += acted - began
            self.seconds["environment"] += time.perf_counter() - acted
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            ended = np.flatnonzero(dones)
            self._update_info_buffer([infos[agent] for agent in ended], dones[ended])
            cut += [
                (rollout_buffer.pos, agent, infos[agent]["terminal_observation"])
                for agent in ended
                if infos[agent].get("TimeLimit.truncated")
            ]
            rollout_buffer.record(actions, log_probs, rewards, self._last_episode_starts)  # type: ignore[arg-type]
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
        self.seconds["collect"] = time.perf_counter() - start
        self._estimate(rollout_buffer, cut, dones)
        self.seconds["gae"] = time.perf_counter() - start - self.seconds["collect"]
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _gather(
        self, workers: RolloutWorkers, callback: BaseCallback, rollout_buffer: DeviceRolloutBuffer
    ) -> bool:
        start = time.perf_counter()
        self._iteration_start = self._iteration_start or start
        rollout_buffer.reset()
        callback.on_rollout_start()
        episodes, seconds = {}, {}
        for finished in workers.gather(self.policy.state_dict()):
            if finished is not None:
                agents, part = finished
                rollout_buffer.fill(agents, part.rollout)
                self.num_timesteps += part.rollout.rewards.size
                episodes[agents.start], seconds[agents.start] = part.episodes, part.seconds
            if not callback.on_step():
                return False
        # The window of the latest episodes takes in those of every worker
        rounds = itertools.zip_longest(*(reversed(episodes[first]) for first in sorted(episodes)))
        latest = [episode for row in rounds for episode in row if episode]
        assert self.ep_info_buffer is not None
        self.ep_info_buffer.extend(reversed(latest))
        self._count_seconds(time.perf_counter() - start, list(seconds.values()))
        callback.on_rollout_end()
        return True

    def _count_seconds(self, whole: float, parts: Sequence[dict[str, float]]) -> None:
        """Phases of gathering: the workers' mean, and what they were waited for beyond that."""
        phases = ("environment", "inference", "gae")
        self.seconds = {phase: float(np.mean([part[phase] for part in parts])) for phase in phases}
        self.seconds["collect"] = whole - self.seconds["gae"]
        self.seconds["waiting"] = whole - sum(self.seconds[phase] for phase in phases)

    @property
    def _fusible(self) -> LucyPolicy | None:
        """The policy if kernels can stand in for its networks; a subclass may compute otherwise."""
        float32 = self.device.type == "cpu" and self.learner.precision == "float32"
        return self.policy if float32 and type(self.policy) is LucyPolicy else None

    def _actor(self) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """What draws actions for observations [B,...], until the next update."""
        policy = self._fusible
        return self._act if policy is None else FusedActor(policy)

    @torch.inference_mode()
    def _act(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        with self._autocast():
            distribution = self.policy.get_distribution(observations)
            actions = distribution.get_actions()
            return actions, distribution.log_prob(actions)

    def _estimate(
        self,
        buffer: DeviceRolloutBuffer,
        cut: Sequence[tuple[int, int, np.ndarray]],
        dones: np.ndarray,
    ) -> None:
        """Values and advantages; where time ran out, the value stands in for what was cut off."""
        last = torch.from_numpy(np.asarray(self._last_obs))
        frames = [buffer.observations[buffer.context :].flatten(0, 1), last.to(self.device)]
        if cut:
            terminal = np.stack([observation for _, _, observation in cut])
            frames.append(torch.from_numpy(terminal).to(self.device))
        values = self._values(frames)
        buffer.values[:] = values[0].numpy().reshape(buffer.values.shape)
        if cut:
            steps, agents = ([place[axis] for place in cut] for axis in (0, 1))
            buffer.cut_off[steps, agents] = self.gamma * values[2].numpy()
        buffer.compute_returns_and_advantage(values[1], dones)

    def _values(self, groups: Sequence[Tensor]) -> list[Tensor]:
        """The critic's values of groups of observations [B,...], each as [B] on the CPU."""
        size = _INFERENCE_PIECE.get(self.device.type, 2048)
        pieces = [piece for group in groups for piece in group.split(size)]
        values = torch.cat(self._replicas.map(self._critic(), pieces)).cpu()
        return list(values.split([len(group) for group in groups]))

    def _critic(self) -> Callable[[Learner, Tensor], Tensor]:
        """What values observations [B,...] as [B], until the next update."""

        def by_policy(learner: Learner, observations: Tensor) -> Tensor:
            with torch.inference_mode(), self._autocast():
                return learner.policy.predict_values(observations).flatten().float()

        policy = self._fusible
        if policy is None:
            return by_policy
        fused = FusedNetwork(policy.mlp_extractor.critic, policy.value_net)
        return lambda _, observations: torch.from_numpy(fused(observations.numpy())).flatten()

    def train(self) -> None:
        """Update the policy on the rollout, log the iteration and call `after_iteration`.

        Raises:
            NonFiniteLossError: the policy is as it was before the offending minibatch.
        """
        start = time.perf_counter()
        self.policy.set_training_mode(True)
        for learner in self._replicas.networks:
            learner.train()
        self._update_learning_rate(self._optimizers)
        recorded = []
        self._marks.clear()
        with self._one_thread_an_operator():
            for _ in range(self.n_epochs):
                recorded += self._epoch()
                self._n_updates += 1
        self.seconds["update"] = time.perf_counter() - start
        self._record(torch.stack(recorded).mean(dim=0).tolist())
        self.after_iteration(self)

    def _minibatches(self) -> Iterator[Batch]:
        return self.rollout_buffer.minibatches(self.batch_size, self.auxiliary.piece_length)

    def _epoch(self) -> list[Tensor]:
        order = np.random.get_state()  # noqa: NPY002 - what the minibatches are drawn from
        broken = torch.zeros((), device=self.device)
        recorded, norms = [], []
        for batch in self._minibatches():
            losses, norm, broken = self._step(batch, broken)
            recorded.append(losses)
            norms.append(norm)
        if broken:
            self._refuse(torch.stack(recorded)[:, 0], torch.stack(norms), order)
        return recorded

    def _step(self, batch: Batch, broken: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Learn from a minibatch unless something is broken, without waiting for the device.

        Args:
            batch: what to learn from.
            broken: scalar, 1 if a loss before was not finite.

        Returns:
            Its losses, see `_gradient`; the gradient's norm; and `broken` from here on.
        """
        losses = self._gradient(batch)
        norm = self._clip()
        # From the first loss on that is not finite no step is taken, and the device need
        # not be asked before the epoch is over
        broken = torch.maximum(broken, (~torch.isfinite(losses[0] + norm)).float())
        for optimizer in self._optimizers:
            optimizer.found_inf = broken  # type: ignore[attr-defined]
            optimizer.step()
        return losses, norm, broken

    def _clip(self) -> Tensor:
        """Clip the gradients of policy and tasks, each by its own norm; the norms' sum."""
        modules = [self.policy, self.tasks] if self.tasks else [self.policy]
        norms = [
            torch.nn.utils.clip_grad_norm_(module.parameters(), self.max_grad_norm)
            for module in modules
        ]
        return torch.stack(norms).sum()

    def _gradient(self, batch: Batch) -> Tensor:
        """Leave a minibatch's gradient in the parameters; its `Losses` and the tasks', stacked."""
        if self.normalize_advantage and batch.size > 1:
            advantages = batch.advantages
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            batch = batch._replace(advantages=advantages)

        def work(learner: Learner, piece: Batch) -> tuple[Tensor, list[Mark]]:
            losses, marks = self._losses(learner, piece)
            share = piece.size / batch.size
            (losses[0] * share).backward()
            return losses.detach() * share, marks

        for optimizer in self._optimizers:
            optimizer.zero_grad()
        results = self._replicas.map(work, batch.pieces(self._piece_size()))
        self._replicas.sum_gradients()
        self._marks += [marks for _, marks in results]
        return torch.stack([losses for losses, _ in results]).sum(dim=0)

    def _losses(self, learner: Learner, piece: Batch) -> tuple[Tensor, list[Mark]]:
        """`Losses` and the tasks' losses, stacked, and when each part began and the last ended."""
        clip_range = self.clip_range(self._current_progress_remaining)  # type: ignore[operator]
        marks = [mark(self.device)]
        observations = self.rollout_buffer.seen(piece)
        with self._autocast():
            evaluated, segment = _evaluate(learner, observations, piece)
            main = ppo_losses(evaluated, piece, clip_range, self.ent_coef, self.vf_coef)
            marks.append(mark(self.device))
            losses = []
            for task in learner.tasks.values():
                losses.append(task(segment))
                marks.append(mark(self.device))
        weighted = zip(self.auxiliary.weights.values(), losses, strict=True)
        loss = main.loss + sum(weight * part for weight, part in weighted)
        return torch.stack([loss, *main[1:], *losses]), marks

    def _piece_size(self) -> int:
        if self.learner.piece is not None:
            return self.learner.piece
        if self.device.type != "cpu":
            return self.batch_size
        return 2048 if self.learner.precision == "bf16" else 1024

    def _refuse(self, losses: Tensor, norms: Tensor, order: Any) -> None:
        index = int((~torch.isfinite(losses + norms)).nonzero()[0])
        np.random.set_state(order)  # noqa: NPY002
        batch = next(itertools.islice(self._minibatches(), index, None))
        path = self.bad_batch_directory / f"bad-batch-{self.num_timesteps}.safetensors"
        tensors = batch._asdict()
        del tensors["frames"], tensors["agents"]
        tensors["observations"] = self.rollout_buffer.seen(batch)
        tensors = {name: part.flatten(0, 1).cpu().contiguous() for name, part in tensors.items()}
        save_file(tensors, path)
        broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
        raise NonFiniteLossError(
            f"after {self.num_timesteps} steps the loss is {losses[index].item()} and the gradient "
            f"norm {norms[index].item()}; not finite in the minibatch: {broken or 'nothing'}. It "
            f"is saved as {path}.",
            broken,
        )

    def _record(self, losses: Sequence[float]) -> None:
        names = [f"train/{name}" for name in Losses._fields]
        names += [f"aux/{name}_loss" for name in self.tasks]
        for name, value in zip(names, losses, strict=True):
            self.logger.record(name, value)
        buffer = self.rollout_buffer
        variance = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        self.logger.record("train/explained_variance", float(variance))
        now = time.perf_counter()
        iteration, self._iteration_start = now - self._iteration_start, now
        samples = buffer.buffer_size * buffer.n_envs
        for phase in ("collect", "update"):
            self.logger.record(f"time/{phase}_seconds", self.seconds[phase])
        phases = [phase for phase in self.seconds if phase != "collect"]
        self.shares = {phase: self.seconds[phase] / iteration for phase in phases}
        for phase, share in self.shares.items():
            self.logger.record(f"time/{phase}_share", share)
        forward = np.sum([seconds_between(marks) for marks in self._marks], axis=0)
        self._marks.clear()
        parts = self.shares["update"] * forward / forward.sum()
        for name, share in zip(["main", *self.tasks], parts.tolist(), strict=True):
            # The backward pass is taken as in proportion
            self.logger.record(f"time/update_{name}_share", share)
        self.logger.record("time/collected_steps_per_second", samples / self.seconds["collect"])
        self.logger.record("time/overall_steps_per_second", samples / iteration)


def _evaluate(
    learner: Learner, observations: Tensor, piece: Batch
) -> tuple[tuple[Tensor, Tensor, Tensor], Segment | None]:
    """What the policy gives a piece's samples now, and what the tasks learn from, if any."""
    policy = learner.policy
    if len(learner.tasks):
        evaluated, embedded = policy.evaluate_segment(observations, piece.actions)
        query, rows, padded, latent = embedded
        return evaluated, Segment(
            query, rows, padded, latent, observations, piece.rewards, piece.age
        )
    actions = piece.actions.flatten(0, 1)
    if isinstance(policy.action_space, spaces.Discrete):
        actions = actions.flatten()
    return policy.evaluate_actions(observations.flatten(0, 1), actions), None
