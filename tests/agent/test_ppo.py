"""Our update is Stable-Baselines3's, and stops where a loss is not finite."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from lucy.agent.buffer import DeviceRolloutBuffer
from lucy.agent.config import AuxiliaryConfig, LearnerConfig
from lucy.agent.ppo import AuxPPO, NonFiniteLossError


class Identity(gymnasium.Env):
    """Pays for naming the number that is shown."""

    observation_space = gymnasium.spaces.Box(0, 1, (4,), np.float32)
    action_space = gymnasium.spaces.MultiDiscrete([4])

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        return self._draw(), {}

    def step(self, action: np.ndarray):
        reward = float(action[0] == self._shown)
        return self._draw(), reward, False, bool(self.np_random.random() < 0.1), {}

    def _draw(self) -> np.ndarray:
        self._shown = int(self.np_random.integers(4))
        return np.eye(4, dtype=np.float32)[self._shown]


def make(kind: type[PPO], **changes: Any) -> PPO:
    settings = {"n_steps": 64, "batch_size": 32, "n_epochs": 2, "ent_coef": 0.01, "seed": 3}
    env = DummyVecEnv([Identity] * 4)
    return kind("MlpPolicy", env, device="cpu", **(settings | changes))  # type: ignore[arg-type]


def learn(kind: type[PPO], steps: int, **changes: Any) -> PPO:
    """Both draw from the global generators, so each is made just before it learns."""
    model = make(kind, **changes)
    model.set_logger(Logger(None, []))
    model.learn(steps, log_interval=None)  # type: ignore[arg-type]
    return model


@pytest.mark.parametrize(
    "learner", [{}, {"threads": 1}, {"threads": 2, "piece": 5}], ids=["default", "one", "pieces"]
)
def test_update_equals_stable_baselines(learner: dict[str, Any]) -> None:
    ours = learn(AuxPPO, 3 * 4 * 64, learner=LearnerConfig(**learner))
    theirs = learn(PPO, 3 * 4 * 64)
    for (name, own), (_, other) in zip(
        ours.policy.state_dict().items(), theirs.policy.state_dict().items(), strict=True
    ):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=0, msg=name)


def test_losses_equal_stable_baselines() -> None:
    ours, theirs = (learn(kind, 4 * 64, n_epochs=1) for kind in (AuxPPO, PPO))
    for name in ("policy_gradient_loss", "value_loss", "entropy_loss", "approx_kl"):
        own, other = (m.logger.name_to_value[f"train/{name}"] for m in (ours, theirs))
        assert own == pytest.approx(other, abs=1e-6), name


def test_learns_the_identity() -> None:
    model = make(AuxPPO, learning_rate=3e-3)
    model.learn(8000, log_interval=None)  # type: ignore[arg-type]
    shown = torch.eye(4)
    actions, _ = model.predict(shown.numpy(), deterministic=True)
    assert actions[:, 0].tolist() == [0, 1, 2, 3]


def test_a_loss_that_is_not_finite_stops_and_saves_the_batch(tmp_path: Path) -> None:
    model = make(AuxPPO)
    model.bad_batch_directory = tmp_path

    def poison(*_: object) -> bool:
        if model.rollout_buffer.pos == 10:
            model.rollout_buffer.rewards[5, 2] = np.nan
        return True

    with pytest.raises(
        NonFiniteLossError, match=r"not finite in the minibatch.*saved as .*bad-batch"
    ):
        model.learn(4 * 64, callback=poison, log_interval=None)  # type: ignore[arg-type]
    (path,) = tmp_path.glob("bad-batch-*.safetensors")
    batch = load_file(path)
    assert not torch.isfinite(batch["returns"]).all()
    assert len(batch["observations"]) == 32
    assert all(torch.isfinite(p).all() for p in model.policy.parameters())


def test_bf16_learns_the_identity_too() -> None:
    model = make(AuxPPO, learning_rate=3e-3, learner=LearnerConfig(precision="bf16"))
    model.learn(4000, log_interval=None)  # type: ignore[arg-type]
    actions, _ = model.predict(np.eye(4, dtype=np.float32), deterministic=True)
    assert actions[:, 0].tolist() == [0, 1, 2, 3]


def test_bf16_acts_with_the_newest_weights() -> None:
    """Casts of weights are kept over a rollout, and not beyond."""
    model = learn(AuxPPO, 4 * 64, learner=LearnerConfig(precision="bf16"))
    buffer = model.rollout_buffer
    assert isinstance(buffer, DeviceRolloutBuffer)
    assert buffer.observations.dtype == torch.bfloat16
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.add_(0.1)
    assert model.env is not None
    _, callback = model._setup_learn(0)
    model.collect_rollouts(model.env, callback, buffer, model.n_steps)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        _, log_prob, _ = model.policy.evaluate_actions(
            buffer.observations.flatten(0, 1).float(), buffer.actions.flatten(0, 1)
        )
    torch.testing.assert_close(buffer.log_probs.flatten(), log_prob.float(), atol=1e-2, rtol=0)


def test_saves_and_loads_as_stable_baselines_does(tmp_path: Path) -> None:
    model = learn(AuxPPO, 4 * 64)
    model.save(tmp_path / "model")
    loaded = AuxPPO.load(tmp_path / "model", env=model.get_env(), device="cpu")
    for own, other in zip(model.policy.parameters(), loaded.policy.parameters(), strict=True):
        assert torch.equal(own, other)
    loaded.learn(4 * 64, log_interval=None)  # type: ignore[arg-type]


class Continuous(Identity):
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)  # type: ignore[assignment]


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no target_kl, got 0.1: leave it out"):
        make(AuxPPO, target_kl=0.1)
    with pytest.raises(ValueError, match=r"Discrete or MultiDiscrete spaces, got Box"):
        AuxPPO("MlpPolicy", DummyVecEnv([Continuous]), device="cpu")
    with pytest.raises(ValueError, match=r"reward_prediction.*got ActorCriticPolicy: leave"):
        make(AuxPPO, auxiliary=AuxiliaryConfig(reward_prediction=1.0))


@pytest.mark.parametrize(("always", "length"), [(False, 1), (True, 16)])
def test_minibatches_without_tasks_are_samples_or_segments(always: bool, length: int) -> None:
    auxiliary = AuxiliaryConfig(segment=16, always_segments=always)
    model = learn(AuxPPO, 4 * 64, auxiliary=auxiliary)
    batches = list(model._minibatches())
    assert {len(batch.frames) for batch in batches} == {length}
    assert {batch.size for batch in batches} == {32}


def test_the_toy_task_is_solved_from_segments() -> None:
    auxiliary = AuxiliaryConfig(segment=16, always_segments=True)
    model = learn(AuxPPO, 6000, auxiliary=auxiliary, ent_coef=0.0, learning_rate=3e-3)
    shown = np.eye(4, dtype=np.float32)
    chosen, _ = model.predict(shown, deterministic=True)
    assert chosen.ravel().tolist() == [0, 1, 2, 3]
