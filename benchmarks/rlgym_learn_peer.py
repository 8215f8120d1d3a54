"""The training benchmark's peer: rlgym-learn on 2v2, told from outside when to go on.

Runs in an environment of its own, with RLGym and rlgym-learn. The parent writes a line for each
iteration that it wants and gets one line of JSON back; between them the learner waits. Settings
come as JSON in the first argument.

The environment is one of two. "lucy" is Lucy's whole task: the observation, the reward and the
episodes that Lucy trains on beside it. "light" is as rlgym-learn's own speed test has it: two
light rewards, RLGym's default observation, kickoffs; what is not: two cars a side, and
observations filled up with zeros to Lucy's size. Both have the 90 lookup actions.
"""

# pyright: reportMissingImports=false

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # or NumPy's threads fight in the environments

import json
import sys
import time
from typing import Any

import numpy as np
from rlgym.api import RewardFunction, RLGym
from rlgym.rocket_league.action_parsers import LookupTableAction, RepeatAction
from rlgym.rocket_league.common_values import CAR_MAX_SPEED
from rlgym.rocket_league.done_conditions import GoalCondition, NoTouchTimeoutCondition
from rlgym.rocket_league.obs_builders import DefaultObs
from rlgym.rocket_league.reward_functions import CombinedReward, TouchReward
from rlgym.rocket_league.sim import RocketSimEngine
from rlgym.rocket_league.state_mutators import (
    FixedTeamSizeMutator,
    KickoffMutator,
    MutatorSequence,
)

OBSERVATION_SIZE = 384  # Lucy's in 2v2: 6 rows of 64
TEAM_SIZE = 2


class PaddedObs(DefaultObs):
    """RLGym's observation, filled up with zeros."""

    def get_obs_space(self, agent: str) -> tuple[str, int]:
        """Its kind and size."""
        return "real", OBSERVATION_SIZE

    def build_obs(self, agents: Any, state: Any, shared_info: Any) -> dict[str, np.ndarray]:
        """One vector an agent."""
        padded = {}
        for agent, values in super().build_obs(agents, state, shared_info).items():
            padded[agent] = np.zeros(OBSERVATION_SIZE, np.float32)
            padded[agent][: len(values)] = values
        return padded


class VelocityPlayerToBall(RewardFunction):
    """How fast a car approaches the ball, of its highest speed."""

    def reset(self, agents: Any, initial_state: Any, shared_info: Any) -> None:
        """Remember nothing."""

    def get_rewards(
        self,
        agents: Any,
        state: Any,
        is_terminated: Any,
        is_truncated: Any,
        shared_info: Any,
    ) -> dict[str, float]:
        """One number an agent."""
        rewards = {}
        for agent in agents:
            car = state.cars[agent].physics
            way = state.ball.position - car.position
            speed = np.dot(way / np.linalg.norm(way), car.linear_velocity)
            rewards[agent] = float(speed) / CAR_MAX_SPEED
        return rewards


def make_light_env() -> RLGym:
    """2v2 from kickoffs."""
    return RLGym(
        state_mutator=MutatorSequence(FixedTeamSizeMutator(TEAM_SIZE, TEAM_SIZE), KickoffMutator()),
        obs_builder=PaddedObs(),
        action_parser=RepeatAction(LookupTableAction(), repeats=8),
        reward_fn=CombinedReward((TouchReward(), 1.0), (VelocityPlayerToBall(), 0.1)),
        transition_engine=RocketSimEngine(),
        termination_cond=GoalCondition(),
        truncation_cond=NoTouchTimeoutCondition(timeout_seconds=30),
    )


def make_coordinator(settings: dict[str, Any]) -> tuple[Any, Any]:
    """rlgym-learn's coordinator with its environments, and its PPO.

    Args:
        settings: `task`, `processes`, `batch`, `minibatches`, `layers`, `learning_rate`,
            `gamma`, `seed`.
    """
    from rlgym_learn import (
        BaseConfigModel,
        LearningCoordinator,
        LearningCoordinatorConfigModel,
        NumpySerdeConfig,
        ProcessConfigModel,
        PyAnySerdeType,
        SerdeTypesModel,
    )
    from rlgym_learn_algos.ppo import (
        BasicCritic,
        DiscreteFF,
        ExperienceBufferConfigModel,
        GAETrajectoryProcessor,
        GAETrajectoryProcessorConfigModel,
        NumpyExperienceBuffer,
        PPOAgentController,
        PPOAgentControllerConfigModel,
        PPOLearnerConfigModel,
    )

    if settings["task"] == "lucy":
        from lucy.benchmarks.rlgym_learn_task import make_lucy_env as make_env
    else:
        make_env = make_light_env
    batch, layers = settings["batch"], tuple(settings["layers"])

    def array(kind: type, size: int) -> Any:
        shape = NumpySerdeConfig.STATIC(shape=(size,), allocation_pool_warning_size=None)
        return PyAnySerdeType.NUMPY(kind, config=shape)

    space = PyAnySerdeType.TUPLE((PyAnySerdeType.STRING(), PyAnySerdeType.INT()))
    controller = PPOAgentController(
        lambda observation, action, device: DiscreteFF(observation[1], action[1], layers, device),
        lambda observation, device: BasicCritic(observation[1], layers, device),
        NumpyExperienceBuffer(GAETrajectoryProcessor()),
    )
    ppo = PPOAgentControllerConfigModel(
        timesteps_per_iteration=batch,
        save_every_ts=10**12,
        learner_config=PPOLearnerConfigModel(
            n_epochs=1,
            batch_size=batch,
            n_minibatches=settings["minibatches"],
            ent_coef=0.001,
            actor_lr=settings["learning_rate"],
            critic_lr=settings["learning_rate"],
            device="cpu",
        ),
        experience_buffer_config=ExperienceBufferConfigModel(
            max_size=batch,
            device="cpu",
            trajectory_processor_config=GAETrajectoryProcessorConfigModel(gamma=settings["gamma"]),
        ),
    )
    config = LearningCoordinatorConfigModel(
        process_config=ProcessConfigModel(n_proc=settings["processes"]),
        base_config=BaseConfigModel(
            serde_types=SerdeTypesModel(
                agent_id_serde_type=PyAnySerdeType.STRING(),
                action_serde_type=array(np.int64, 1),
                obs_serde_type=array(np.float32, OBSERVATION_SIZE),
                reward_serde_type=PyAnySerdeType.FLOAT(),
                obs_space_serde_type=space,
                action_space_serde_type=space,
            ),
            random_seed=settings["seed"],
        ),
        agent_controllers_config={"ppo": ppo},
    )
    return LearningCoordinator(make_env, {"ppo": controller}, config=config), controller


def iterate(coordinator: Any, controller: Any) -> dict[str, float]:
    """One iteration of `LearningCoordinator`'s own loop, without its keyboard.

    Returns:
        Agent-steps, and the seconds that collecting them and learning took.
    """
    interface, manager = coordinator.env_process_interface, coordinator.agent_manager
    iteration, steps = controller.cur_iteration, 0
    start = time.perf_counter()
    while controller.cur_iteration == iteration:
        collected, observations, timesteps, states = interface.collect_step_data()
        steps += collected
        manager.process_timestep_data(timesteps)  # learns when the batch is full
        interface.send_env_actions(manager.get_env_actions(observations, states))
    spent = time.perf_counter() - start
    collecting = controller.timestep_collection_end_time - start
    return {
        "steps": steps,
        "collect": collecting,
        "update": spent - collecting,
        "iteration": spent,
    }


def spread_learning(controller: Any) -> None:
    """Let torch use one thread for small inference and all for learning: its fastest way."""
    import torch

    threads, learn = torch.get_num_threads(), controller._learn

    def learn_in_threads() -> None:
        torch.set_num_threads(threads)
        learn()
        torch.set_num_threads(1)

    controller._learn = learn_in_threads
    torch.set_num_threads(1)


def main() -> None:
    """Answer every line with one iteration, until there are no more."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what rlgym-learn prints is no reply
    coordinator, controller = make_coordinator(json.loads(sys.argv[1]))
    spread_learning(controller)
    try:
        print(json.dumps({"ready": True}), file=replies, flush=True)
        for _ in sys.stdin:
            print(json.dumps(iterate(coordinator, controller)), file=replies, flush=True)
    finally:
        coordinator.cleanup()


if __name__ == "__main__":
    main()
