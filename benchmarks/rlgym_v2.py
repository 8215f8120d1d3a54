"""Lucy's task in plain RLGym v2: the opponent that the simulation benchmark measures against.

The same resets, actions, observation, reward and ends as `RocketLeagueVecEnv`, written the
way a good RLGym user writes them: one object a role, one small class a reward, dicts of
agents, RLGym's own vector maths. Tables are built once and the observation makes each
team's rows once a step, but what one reward computes another does not see: that is the
style. Reward and observation together cost about what the authors' own Python does.

Two things that this task needs lie outside RLGym's `GameState`, so `CarCounters` reads
goals, shots, saves and demos from the RocketSim cars that RLGym's engine keeps to itself.
"""

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from rlgym.api import (
    ActionParser,
    ObsBuilder,
    RewardFunction,
    RLGym,
    SharedInfoProvider,
)
from rlgym.rocket_league.action_parsers import RepeatAction
from rlgym.rocket_league.api import Car, GameState
from rlgym.rocket_league.common_values import BLUE_TEAM
from rlgym.rocket_league.done_conditions import (
    AnyCondition,
    GoalCondition,
    NoTouchTimeoutCondition,
    TimeoutCondition,
)
from rlgym.rocket_league.math import cosine_similarity, magnitude, scalar_projection
from rlgym.rocket_league.reward_functions import CombinedReward
from rlgym.rocket_league.sim import RocketSimEngine
from rlgym.rocket_league.state_mutators import FixedTeamSizeMutator, MutatorSequence

from ..sim.actions import ACTION_TABLES, ActionTable
from ..sim.constants import (
    BACK_NET_Y,
    BALL_MAX_SPEED,
    BALL_RADIUS_V1,
    CAR_MAX_ANGULAR_SPEED,
    CAR_MAX_SPEED,
    GOAL_BACK_Z,
    TICK_SKIP,
)
from ..sim.resets import ResetSource
from ..sim.rlgym import LucyReset

Agents = list[str]
SharedInfo = dict[str, Any]
Floats = dict[str, float]

RESET_MIX = {"kickoff": 0.2, "kickoff_like": 0.2, "random": 0.5, "goalie": 0.1}
ACTION_STACK = 5
GOAL_DEPTH = 880.0
ORANGE_GOAL = np.array([0.0, BACK_NET_Y, GOAL_BACK_Z], np.float32)
BLUE_GOAL = np.array([0.0, -BACK_NET_Y, GOAL_BACK_Z], np.float32)


def make_env(
    team_size: int,
    resets: ResetSource,
    seed: int,
    timeout: float = 300.0,
    no_touch_timeout: float = 45.0,
    observation: "LucyObs | None" = None,
    action: "TableAction | None" = None,
) -> RLGym:
    """Lucy's task as an RLGym v2 environment.

    Args:
        team_size: cars a side; agents are called blue-0 … orange-0 ….
        resets: where episodes start.
        seed: of the resets.
        timeout: s of play after which an episode is truncated.
        no_touch_timeout: s without a ball touch after which it is.
        observation: of the cars; default rows of 64 columns.
        action: what the agents choose from; default the "kbm" table, [5] integers an agent.
    """
    engine = RocketSimEngine(rlbot_delay=False)
    return RLGym(
        state_mutator=MutatorSequence(
            FixedTeamSizeMutator(team_size, team_size), LucyReset(resets, seed)
        ),
        obs_builder=observation or LucyObs(),
        action_parser=RepeatAction(action or TableAction(ACTION_TABLES["kbm"]), repeats=TICK_SKIP),
        reward_fn=lucy_reward(),
        transition_engine=engine,
        termination_cond=GoalCondition(),
        truncation_cond=AnyCondition(
            TimeoutCondition(timeout), NoTouchTimeoutCondition(no_touch_timeout)
        ),
        shared_info_provider=CarCounters(engine),
    )


def lucy_reward() -> RewardFunction:
    """The reward of `rewards/presets/lucy-skg.toml`."""
    align = AlignBallToGoal(defense=0.5, offense=0.5)
    potential = CombinedReward(
        (DistanceBallToGoalDifference(offense_dispersion=0.6, defense_dispersion=0.4), 2.0),
        (VelocityBallToGoal(), 0.8),
        (SaveBoost(), 0.5),
        (KinestheticReward(align, DistancePlayerToBall(dispersion=1.1)), 0.6),
        (
            KinestheticReward(align, VelocityPlayerToBall(), DistancePlayerToBall(density=1.1)),
            1.0,
        ),
    )
    return TeamSpirit(
        CombinedReward(
            PotentialShaping(potential, gamma=1.0),
            (Counted("goals"), 10.0),
            (Conceded(), -3.0),
            (Counted("shots"), 1.5),
            (Counted("saves"), 3.0),
            (Touched(), 0.05),
            (Counted("demos"), 2.0),
            (Demoed(), -2.0),
            (TouchBallToGoalAcceleration(), 0.25),
        ),
        team_spirit=0.3,
    )


class CarCounters(SharedInfoProvider[str, GameState]):
    """Puts every car's goals, shots, saves and demos into `shared_info["counters"]`."""

    NAMES = ("goals", "shots", "saves", "demos")

    def __init__(self, engine: RocketSimEngine) -> None:
        self._engine = engine

    def create(self, shared_info: SharedInfo) -> SharedInfo:
        """Keep the shared info as it is."""
        return shared_info

    def set_state(
        self, agents: Agents, initial_state: GameState, shared_info: SharedInfo
    ) -> SharedInfo:
        """Read the counters of the new cars."""
        return self.step(agents, initial_state, shared_info)

    def step(self, agents: Agents, state: GameState, shared_info: SharedInfo) -> SharedInfo:
        """Read the counters."""
        shared_info["counters"] = {
            agent: {
                "goals": car.goals,
                "shots": car.shots,
                "saves": car.saves,
                "demos": car.demos,
            }
            for agent, car in self._engine._cars.items()
        }
        return shared_info


class TableAction(ActionParser[str, np.ndarray, np.ndarray, GameState, tuple[str, Any]]):
    """Discrete actions; keeps the latest five in `shared_info["latest_actions"]`."""

    def __init__(self, table: ActionTable) -> None:
        self._choices = table.nvec.tolist()
        self._controls = table.controls.reshape(*self._choices, 8)
        self._latest: dict[str, np.ndarray] = {}

    def get_action_space(self, agent: str) -> tuple[str, Any]:
        """The choices of each head."""
        return "multi-discrete", self._choices

    def reset(self, agents: Agents, initial_state: GameState, shared_info: SharedInfo) -> None:
        """Forget the actions before the episode."""
        self._latest = {agent: np.zeros((ACTION_STACK, 8), np.float32) for agent in agents}
        shared_info["latest_actions"] = self._latest

    def parse_actions(
        self, actions: dict[str, np.ndarray], state: GameState, shared_info: SharedInfo
    ) -> dict[str, np.ndarray]:
        """Look the controls up: [8] an agent."""
        controls = {agent: self._controls[tuple(action)] for agent, action in actions.items()}
        for agent, row in controls.items():
            latest = self._latest[agent]
            latest[1:] = latest[:-1]
            latest[0] = row
        return controls


class LucyObs(ObsBuilder[str, np.ndarray, GameState, tuple[str, Any]]):
    """The observation of `lucy.sim.observations`, with a row for each car there is."""

    _COLUMNS = 64
    _SCALE = np.ones(_COLUMNS, np.float32)
    _SCALE[4:10] = 1 / CAR_MAX_SPEED
    _SCALE[10:13] = 1 / CAR_MAX_ANGULAR_SPEED
    _TURN = np.ones(_COLUMNS, np.float32)
    _TURN[[4, 5, 7, 8, 10, 11, 13, 14, 16, 17]] = -1

    def __init__(self) -> None:
        self._flags: dict[str, np.ndarray] = {}

    def get_obs_space(self, agent: str) -> tuple[str, Any]:
        """The rows of the query, the ball and the cars; 64 columns."""
        return "real", (2 + len(self._flags), self._COLUMNS)

    def reset(self, agents: Agents, initial_state: GameState, shared_info: SharedInfo) -> None:
        """Work out who is whose mate."""
        teams = np.array([initial_state.cars[agent].team_num for agent in agents])
        for index, agent in enumerate(agents):
            flags = np.zeros((2 + len(agents), 4), np.float32)
            flags[0, :2] = 1
            flags[1, 3] = 1
            flags[2 + index, 0] = 1
            flags[2:, 1] = teams == teams[index]
            flags[2:, 2] = teams != teams[index]
            self._flags[agent] = flags

    def build_obs(
        self, agents: Agents, state: GameState, shared_info: SharedInfo
    ) -> dict[str, np.ndarray]:
        """One matrix an agent."""
        blue = self._rows(agents, state)
        orange = blue * self._TURN
        return {
            agent: self._build_one(
                blue if state.cars[agent].team_num == BLUE_TEAM else orange,
                index,
                self._flags[agent],
                shared_info["latest_actions"][agent],
            )
            for index, agent in enumerate(agents)
        }

    def _rows(self, agents: Agents, state: GameState) -> np.ndarray:
        """Ball and cars as blue sees them, not yet relative to anyone."""
        rows = np.zeros((1 + len(agents), self._COLUMNS), np.float32)
        ball = rows[0]
        ball[4:7] = state.ball.position
        ball[7:10] = state.ball.linear_velocity
        ball[10:13] = state.ball.angular_velocity
        for row, agent in zip(rows[1:], agents, strict=True):
            car = state.cars[agent]
            physics = car.physics
            row[4:7] = physics.position
            row[7:10] = physics.linear_velocity
            row[10:13] = physics.angular_velocity
            row[13:16] = physics.forward
            row[16:19] = physics.up
            row[19:23] = (car.boost_amount / 100, car.on_ground, car.has_flip, car.is_demoed)
        rows *= self._SCALE
        return rows

    def _build_one(
        self, rows: np.ndarray, index: int, flags: np.ndarray, latest_actions: np.ndarray
    ) -> np.ndarray:
        obs = np.empty((1 + len(rows), self._COLUMNS), np.float32)
        query = obs[0]
        query[:] = rows[1 + index]
        obs[1:] = rows
        obs[:, :4] = flags
        obs[1:, 4:10] -= query[4:10]
        query[23:63] = latest_actions.ravel()
        return obs


def _attacked_goal(car: Car) -> np.ndarray:
    return ORANGE_GOAL if car.team_num == BLUE_TEAM else BLUE_GOAL


def _own_goal(car: Car) -> np.ndarray:
    return BLUE_GOAL if car.team_num == BLUE_TEAM else ORANGE_GOAL


class PlayerReward(RewardFunction[str, GameState, float]):
    """A reward that looks at one car at a time and remembers nothing."""

    def reset(self, agents: Agents, initial_state: GameState, shared_info: SharedInfo) -> None:
        """Nothing to forget."""

    def get_rewards(
        self,
        agents: Agents,
        state: GameState,
        is_terminated: dict[str, bool],
        is_truncated: dict[str, bool],
        shared_info: SharedInfo,
    ) -> Floats:
        """The value for each agent."""
        return {agent: self.value(state.cars[agent], state) for agent in agents}

    @abstractmethod
    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""


class DistancePlayerToBall(PlayerReward):
    """Exp(-0.5 (‖p-b‖ - R) / (2300 dispersion)) ^ (1/density)."""

    def __init__(self, dispersion: float = 1.0, density: float = 1.0) -> None:
        self._dispersion, self._density = dispersion, density

    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""
        distance = magnitude(state.ball.position - car.physics.position) - BALL_RADIUS_V1
        return math.exp(-0.5 * distance / (CAR_MAX_SPEED * self._dispersion)) ** (1 / self._density)


class DistanceBallToGoalDifference(PlayerReward):
    """How close the ball is to the attacked goal, minus how close to the own."""

    def __init__(self, offense_dispersion: float, defense_dispersion: float) -> None:
        self._offense, self._defense = offense_dispersion, defense_dispersion

    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""
        ball = state.ball.position
        return self._closeness(ball, _attacked_goal(car), self._offense) - self._closeness(
            ball, _own_goal(car), self._defense
        )

    def _closeness(self, ball: np.ndarray, goal: np.ndarray, dispersion: float) -> float:
        distance = magnitude(ball - goal) - (GOAL_DEPTH + BALL_RADIUS_V1)
        return math.exp(-0.5 * distance / (BALL_MAX_SPEED * dispersion))


class VelocityBallToGoal(PlayerReward):
    """The ball's speed toward the attacked goal, of its maximum."""

    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""
        ball = state.ball
        to_goal = _attacked_goal(car) - ball.position
        return scalar_projection(ball.linear_velocity, to_goal) / BALL_MAX_SPEED


class VelocityPlayerToBall(PlayerReward):
    """The car's speed toward the ball, of its maximum."""

    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""
        physics = car.physics
        to_ball = state.ball.position - physics.position
        return scalar_projection(physics.linear_velocity, to_ball) / CAR_MAX_SPEED


class AlignBallToGoal(PlayerReward):
    """Whether car and ball stand in line from the own goal and to the attacked one."""

    def __init__(self, defense: float, offense: float) -> None:
        self._defense, self._offense = defense, offense

    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""
        position = car.physics.position
        to_ball = state.ball.position - position
        return self._defense * cosine_similarity(
            to_ball, position - _own_goal(car)
        ) + self._offense * cosine_similarity(to_ball, _attacked_goal(car) - position)


class SaveBoost(PlayerReward):
    """Square root of boost."""

    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""
        return math.sqrt(car.boost_amount / 100)


class KinestheticReward(PlayerReward):
    """The geometric mean of the factors' sizes, positive where every factor is."""

    def __init__(self, *factors: PlayerReward) -> None:
        self._factors = factors

    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""
        values = [factor.value(car, state) for factor in self._factors]
        size = abs(math.prod(values)) ** (1 / len(values))
        return size if min(values) > 0 else -size


class PotentialShaping(RewardFunction[str, GameState, float]):
    """γΦ(s') - Φ(s), and 0 on an episode's first step."""

    def __init__(self, potential: RewardFunction, gamma: float) -> None:
        self._potential, self._gamma = potential, gamma
        self._before: Floats = {}

    def reset(self, agents: Agents, initial_state: GameState, shared_info: SharedInfo) -> None:
        """Forget the last episode's potential."""
        self._potential.reset(agents, initial_state, shared_info)
        self._before = {}

    def get_rewards(
        self,
        agents: Agents,
        state: GameState,
        is_terminated: dict[str, bool],
        is_truncated: dict[str, bool],
        shared_info: SharedInfo,
    ) -> Floats:
        """The potential's gain."""
        now = self._potential.get_rewards(agents, state, is_terminated, is_truncated, shared_info)
        before, self._before = self._before, now
        if not before:
            return dict.fromkeys(agents, 0.0)
        return {agent: self._gamma * now[agent] - before[agent] for agent in agents}


class EventReward(RewardFunction[str, GameState, float]):
    """By how much a value has risen since the step before."""

    def __init__(self) -> None:
        self._before: Floats = {}

    def reset(self, agents: Agents, initial_state: GameState, shared_info: SharedInfo) -> None:
        """Start from the values at the episode's start."""
        self._before = self.values(agents, initial_state, shared_info)

    def get_rewards(
        self,
        agents: Agents,
        state: GameState,
        is_terminated: dict[str, bool],
        is_truncated: dict[str, bool],
        shared_info: SharedInfo,
    ) -> Floats:
        """The rises."""
        now = self.values(agents, state, shared_info)
        before, self._before = self._before, now
        return {agent: max(0.0, now[agent] - before[agent]) for agent in agents}

    @abstractmethod
    def values(self, agents: Agents, state: GameState, shared_info: SharedInfo) -> Floats:
        """The values now."""


class Counted(EventReward):
    """One of a car's counters."""

    def __init__(self, counter: str) -> None:
        super().__init__()
        self._counter = counter

    def values(self, agents: Agents, state: GameState, shared_info: SharedInfo) -> Floats:
        """The counter of each car."""
        counters = shared_info["counters"]
        return {agent: counters[agent][self._counter] for agent in agents}


class Touched(EventReward):
    """Whether a car touches the ball."""

    def values(self, agents: Agents, state: GameState, shared_info: SharedInfo) -> Floats:
        """1 or 0 for each car."""
        return {agent: float(state.cars[agent].ball_touches > 0) for agent in agents}


class Demoed(EventReward):
    """Whether a car is demolished."""

    def values(self, agents: Agents, state: GameState, shared_info: SharedInfo) -> Floats:
        """1 or 0 for each car."""
        return {agent: float(state.cars[agent].is_demoed) for agent in agents}


class Conceded(PlayerReward):
    """1 when the other team scores; the episode ends with it."""

    def value(self, car: Car, state: GameState) -> float:
        """The value for one car."""
        return float(state.goal_scored and state.scoring_team != car.team_num)


class TouchBallToGoalAcceleration(RewardFunction[str, GameState, float]):
    """On touch: what the ball's speed toward the attacked goal has gained, of a car's maximum."""

    def __init__(self) -> None:
        self._speed = VelocityBallToGoal()
        self._before: Floats = {}

    def reset(self, agents: Agents, initial_state: GameState, shared_info: SharedInfo) -> None:
        """Start from the ball's speed at the episode's start."""
        self._before = self._speeds(agents, initial_state)

    def get_rewards(
        self,
        agents: Agents,
        state: GameState,
        is_terminated: dict[str, bool],
        is_truncated: dict[str, bool],
        shared_info: SharedInfo,
    ) -> Floats:
        """The gains of the cars that touch the ball."""
        now = self._speeds(agents, state)
        before, self._before = self._before, now
        gain = BALL_MAX_SPEED / CAR_MAX_SPEED
        return {
            agent: gain * (now[agent] - before[agent]) if state.cars[agent].ball_touches else 0.0
            for agent in agents
        }

    def _speeds(self, agents: Agents, state: GameState) -> Floats:
        return {agent: self._speed.value(state.cars[agent], state) for agent in agents}


class TeamSpirit(RewardFunction[str, GameState, float]):
    """Shares a reward out: (1-τ) own + τ·mean over own team - mean over opponents."""

    def __init__(self, reward: RewardFunction, team_spirit: float) -> None:
        self._reward, self._team_spirit = reward, team_spirit

    def reset(self, agents: Agents, initial_state: GameState, shared_info: SharedInfo) -> None:
        """Reset the reward."""
        self._reward.reset(agents, initial_state, shared_info)

    def get_rewards(
        self,
        agents: Agents,
        state: GameState,
        is_terminated: dict[str, bool],
        is_truncated: dict[str, bool],
        shared_info: SharedInfo,
    ) -> Floats:
        """The shared rewards."""
        own = self._reward.get_rewards(agents, state, is_terminated, is_truncated, shared_info)
        teams: dict[int, list[float]] = {0: [], 1: []}
        for agent in agents:
            teams[state.cars[agent].team_num].append(own[agent])
        means = {team: sum(values) / max(len(values), 1) for team, values in teams.items()}
        spirit = self._team_spirit
        shared = {}
        for agent in agents:
            team = state.cars[agent].team_num
            shared[agent] = (1 - spirit) * own[agent] + spirit * means[team] - means[1 - team]
        return shared
