"""Lucy's observations, resets and actions inside RLGym v2, and its states as `GameStates`.

RLGym's `GameState` lacks what some rewards and observations need: every car's goals, saves,
shots, demolitions and previous action, and the score. `LucyInfo` reads them from RocketSim
and shares the whole game as `GameStates` of one arena; the other adapters build on it.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from rlgym.api import ActionParser, ObsBuilder, SharedInfoProvider, StateMutator
from rlgym.rocket_league.api import GameState
from rlgym.rocket_league.common_values import BOOST_CONSUMPTION_RATE
from rlgym.rocket_league.sim import RocketSimEngine

from .actions import ACTION_TABLES
from .constants import BLUE, ORANGE
from .observations import MAX_PLAYERS, OBSERVATIONS, Observation
from .resets import ResetSource
from .rlgym_states import Game, new_game, place_ball, place_car, read_state

SharedInfo = dict[str, Any]

_KEY = "lucy"
_WHOLE = slice(0, 1)
_BOOST_PER_SECOND = 100 / 3  # of the game; RLGym rounds it to 33.3


class LucyInfo(SharedInfoProvider[Hashable, GameState]):
    """Shares the game with Lucy's other adapters: `shared_info["lucy"]`, a `Game`."""

    def __init__(self, engine: RocketSimEngine) -> None:
        """Watch an engine.

        Args:
            engine: the one that RLGym is given as `transition_engine`.

        Raises:
            TypeError: another kind of engine, which has no counters.
        """
        if not isinstance(engine, RocketSimEngine):
            raise TypeError(
                "LucyInfo reads goals, saves, shots and demolitions from RLGym's RocketSimEngine, "
                f"got {type(engine).__name__}: pass the transition_engine of the environment"
            )
        self._engine = engine

    def create(self, shared_info: SharedInfo) -> SharedInfo:
        """Keep what is shared as it is."""
        return shared_info

    def set_state(
        self, agents: list[Hashable], initial_state: GameState, shared_info: SharedInfo
    ) -> SharedInfo:
        """Begin an episode.

        Raises:
            ValueError: the state has no cars.
        """
        shared_info[_KEY] = game = new_game(initial_state, shared_info.get(_KEY))
        read_state(initial_state, game)
        self._read_engine(game)
        game.states.episode_start[:] = True
        return shared_info

    def step(self, agents: list[Hashable], state: GameState, shared_info: SharedInfo) -> SharedInfo:
        """Read the new state."""
        game = game_of(shared_info)
        read_state(state, game)
        self._read_engine(game)
        game.states.episode_start[:] = False
        return shared_info

    def _read_engine(self, game: Game) -> None:
        states, arena = game.states, self._engine._arena
        states.score[0] = arena.blue_score, arena.orange_score
        for slot, agent in enumerate(game.agents):
            car = self._engine._cars[agent]
            states.car_goals[0, slot] = car.goals
            states.car_saves[0, slot] = car.saves
            states.car_shots[0, slot] = car.shots
            states.car_demos[0, slot] = car.demos
            it = car.get_controls()
            states.previous_action[0, slot] = (
                *(it.throttle, it.steer, it.pitch, it.yaw, it.roll),
                *(it.jump, it.boost, it.handbrake),
            )


def game_of(shared_info: Mapping[str, Any]) -> Game:
    """The game that `LucyInfo` shares.

    Raises:
        ValueError: RLGym was built without it.
    """
    if _KEY not in shared_info:
        raise ValueError(
            "Lucy's adapters need what RLGym's GameState lacks: "
            "build RLGym with shared_info_provider=LucyInfo(engine)"
        )
    return shared_info[_KEY]


class LucyObs(ObsBuilder[Hashable, np.ndarray, GameState, tuple[str, Any]]):
    """Any of Lucy's observations as an RLGym `ObsBuilder`; needs `LucyInfo`."""

    def __init__(
        self, name: str = "lucy", max_players: int = MAX_PLAYERS, *, flat: bool = False
    ) -> None:
        """Choose the observation.

        Args:
            name: "lucy", "necto" or "nexto"; see `lucy.sim.observations`.
            max_players: player rows, at least the cars of a game.
            flat: give each agent one vector [rows·columns] in place of [rows,columns], for
                learners that take vectors alone.

        Raises:
            ValueError: an unknown observation.
        """
        if name not in OBSERVATIONS:
            raise ValueError(f"unknown observation {name!r}: expected one of {list(OBSERVATIONS)}")
        self._kind, self._max_players, self._flat = OBSERVATIONS[name], max_players, flat
        self._observation: Observation | None = None

    def get_obs_space(self, agent: Hashable) -> tuple[str, Any]:
        """("real", (rows, columns)), or ("real", rows·columns) if flat."""
        rows, columns = self._kind.shape_for(self._max_players)
        return "real", rows * columns if self._flat else (rows, columns)

    def reset(
        self, agents: list[Hashable], initial_state: GameState, shared_info: SharedInfo
    ) -> None:
        """Nothing to forget: the states say when an episode starts."""

    def build_obs(
        self, agents: list[Hashable], state: GameState, shared_info: SharedInfo
    ) -> dict[Hashable, np.ndarray]:
        """One float32 array an agent; call it once a step, as RLGym does.

        Raises:
            ValueError: the game has more cars than the observation has rows.
        """
        states, slots = game_of(shared_info)
        if self._observation is None or states.episode_start[0]:
            self._observation = self._kind(states, self._max_players)
        out = np.empty((len(slots), *self._observation.shape), np.float32)
        self._observation.update(states, _WHOLE)
        self._observation.build(states, _WHOLE, out)
        if self._flat:
            out = out.reshape(len(slots), -1)
        built = dict(zip(slots, out, strict=True))
        return {agent: built[agent] for agent in agents}


class LucyAction(ActionParser[Hashable, np.ndarray, np.ndarray, GameState, tuple[str, Any]]):
    """One of Lucy's action tables as an RLGym `ActionParser`; wrap it in `RepeatAction`."""

    def __init__(self, name: str = "kbm") -> None:
        """Choose the table.

        Args:
            name: "kbm" or "lookup"; see `lucy.sim.actions`.

        Raises:
            ValueError: an unknown table.
        """
        if name not in ACTION_TABLES:
            raise ValueError(
                f"unknown action table {name!r}: expected one of {sorted(ACTION_TABLES)}"
            )
        self._table = ACTION_TABLES[name]

    def get_action_space(self, agent: Hashable) -> tuple[str, Any]:
        """("discrete", n), or ("multi-discrete", (n of each head, …))."""
        choices = tuple(self._table.nvec.tolist())
        return ("discrete", choices[0]) if len(choices) == 1 else ("multi-discrete", choices)

    def reset(
        self, agents: list[Hashable], initial_state: GameState, shared_info: SharedInfo
    ) -> None:
        """Nothing to forget."""

    def parse_actions(
        self, actions: dict[Hashable, np.ndarray], state: GameState, shared_info: SharedInfo
    ) -> dict[Hashable, np.ndarray]:
        """The controls of chosen actions: [8] an agent.

        Raises:
            ValueError: an action that the table does not have.
        """
        return {agent: self._parse(agent, action) for agent, action in actions.items()}

    def _parse(self, agent: Hashable, action: np.ndarray) -> np.ndarray:
        choice, choices = np.asarray(action).ravel(), self._table.nvec
        if choice.shape != choices.shape or not ((choice >= 0) & (choice < choices)).all():
            raise ValueError(
                f"agent {agent!r} chose {choice.tolist()}: the table {self._table.name!r} has "
                f"{choices.tolist()} choices of {', '.join(self._table.heads)}, counted from 0"
            )
        return self._table.parse(choice)


class LucyReset(StateMutator[GameState]):
    """Any of Lucy's reset sources as an RLGym `StateMutator`; makes no cars of its own.

    It also sets the boost that a second takes to the game's 33⅓, which RLGym rounds to 33.3.
    """

    def __init__(self, resets: ResetSource, seed: int | None = None) -> None:
        """Draw from a source.

        Args:
            resets: one of `lucy.sim.resets`, or a `weighted_mix` of them.
            seed: of what is drawn; default another each time.
        """
        self._resets = resets
        self._rng = np.random.default_rng(seed)

    def apply(self, state: GameState, shared_info: SharedInfo) -> None:
        """Place ball, pads and the cars that another mutator has made.

        Raises:
            ValueError: no cars, or teams of different sizes.
        """
        cars = sorted(state.cars.values(), key=lambda car: car.team_num)
        sizes = [sum(car.team_num == team for car in cars) for team in (BLUE, ORANGE)]
        if not cars or sizes[0] != sizes[1]:
            raise ValueError(
                f"Lucy's resets place equal teams, the state has {sizes[0]} blue and {sizes[1]} "
                "orange cars: put a FixedTeamSizeMutator of equal sizes first"
            )
        initial = self._resets(self._rng, sizes[0])
        place_ball(state.ball, initial)
        for row, car in enumerate(cars):
            place_car(car, initial, row)
        state.boost_pad_timers[:] = initial.boost_pad_cooldown
        state.config.boost_consumption = _BOOST_PER_SECOND / BOOST_CONSUMPTION_RATE
