"""`lucy match`: two bots, many games at once, five minutes each."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..sim.constants import BLUE, GOAL_THRESHOLD_Y, ORANGE, STEPS_PER_SECOND
from ..sim.engine import ArenaPool
from ..sim.resets import kickoff
from ..sim.state import GameStates
from .opponents import Bot

GAME_SECONDS = 300.0


class GoalScored(NamedTuple):
    """One goal of a match."""

    game: int
    seconds: float  # of play since the game began
    by_first: bool  # for the first bot, else for the second
    ball_speed: float  # uu/s


class MatchResult(NamedTuple):
    """G games between two bots; where an axis is the bots', the first comes first."""

    names: tuple[str, str]
    mode: str
    seconds: float  # of each game
    figures: dict[str, np.ndarray]  # name -> [G,2]
    cars: int  # of each bot
    scored: tuple[GoalScored, ...] = ()  # in the order of play

    @property
    def goals(self) -> tuple[int, int]:
        """Goals over all games."""
        first, second = self.figures["goals"].sum(axis=0).tolist()
        return first, second

    @property
    def results(self) -> tuple[int, int, int]:
        """Games that the first bot won, that were drawn, and that it lost."""
        difference = np.subtract(*self.figures["goals"].T)
        return tuple(int((np.sign(difference) == sign).sum()) for sign in (1, 0, -1))  # pyright: ignore[reportReturnType]

    def per_minute(self, figure: str) -> tuple[float, float]:
        """A figure of each bot per car and minute of play."""
        minutes = len(self.figures[figure]) * self.cars * self.seconds / 60
        first, second = (self.figures[figure].sum(axis=0) / minutes).tolist()
        return first, second


def play(
    first: Bot,
    second: Bot,
    *,
    mode: str = "1v1",
    games: int = 10,
    seed: int = 0,
    seconds: float = GAME_SECONDS,
    threads: int | None = None,
    on_step: Callable[[GameStates, int], None] = lambda states, step: None,
    record: Callable[[GameStates, np.ndarray], None] = lambda states, games: None,
) -> MatchResult:
    """Play games at once, each with its own seed; the bots swap sides from game to game.

    Every game begins with a kickoff, and so does play after each goal; the clock stops at
    `seconds`, and a draw stays a draw.

    Args:
        first: blue in games 0, 2, 4, ….
        second: blue in the others.
        mode: "1v1", "2v2" or "3v3".
        games: how many.
        seed: of all games; game i draws from the stream (seed, i).
        seconds: length of a game.
        threads: that step the physics; default one a processor.
        on_step: called with the states and the step's number, once before the first step
            and after every one.
        record: called with the states and the games that are in a new one, which after a
            goal is first the goal and then the kickoff; `Recorder.append` is one.
    """
    pool = ArenaPool([mode] * games, threads=threads)
    try:
        return _play(pool, (first, second), mode, seed, seconds, on_step, record)
    finally:
        pool.close()


def _play(
    pool: ArenaPool,
    bots: tuple[Bot, Bot],
    mode: str,
    seed: int,
    seconds: float,
    on_step: Callable[[GameStates, int], None],
    record: Callable[[GameStates, np.ndarray], None],
) -> MatchResult:
    states = pool.states
    games, cars = states.car_mask.shape
    streams = [np.random.SeedSequence([seed, game]).spawn(3) for game in range(games)]
    resets, *players = (
        [np.random.default_rng(stream[part]) for stream in streams] for part in range(3)
    )
    swapped = np.arange(games) % 2 == 1
    first_cars = (states.car_team == BLUE)[None] ^ swapped[:, None]

    def kick_off(game: int) -> None:
        pool.set_state(game, kickoff(resets[game], cars // 2))

    for game in range(games):
        kick_off(game)
    bots[0].start(states, first_cars, players[0])
    bots[1].start(states, ~first_cars, players[1])
    controls = np.zeros((games, cars, 8), np.float32)
    tally = _Tally(states)
    everywhere = np.arange(games)
    record(states, everywhere)
    on_step(states, 0)
    for step in range(1, round(seconds * STEPS_PER_SECOND) + 1):
        for bot in bots:
            bot.act(states, controls)
        pool.step(controls)
        tally.update(states, step)
        record(states, everywhere)
        fallen = np.flatnonzero(np.abs(states.ball_position[:, 1]) > GOAL_THRESHOLD_Y)
        for game in fallen.tolist():
            kick_off(game)
        record(states, fallen)
        on_step(states, step)
    names = (bots[0].name, bots[1].name)
    figures, scored = tally.by_bot(first_cars), tally.scored(first_cars)
    return MatchResult(names, mode, seconds, figures, cars // 2, scored)


class _Tally:
    """Counts what the cars do."""

    def __init__(self, states: GameStates) -> None:
        self._team = states.car_team
        self._touching = np.zeros(states.car_mask.shape, np.bool_)
        self._touches = np.zeros(states.car_mask.shape, np.int64)
        self._goals = np.zeros((len(states.score), 2), np.int64)
        self._scored: list[tuple[int, int, bool, float]] = []
        self._states = states

    def update(self, states: GameStates, step: int) -> None:
        y = states.ball_position[:, 1]
        self._goals[:, BLUE] += y > GOAL_THRESHOLD_Y
        self._goals[:, ORANGE] += y < -GOAL_THRESHOLD_Y
        self._touches += states.car_ball_touched & ~self._touching
        self._touching[:] = states.car_ball_touched
        for game in np.flatnonzero(np.abs(y) > GOAL_THRESHOLD_Y).tolist():
            speed = float(np.linalg.norm(states.ball_linear_velocity[game]))
            self._scored.append((game, step, bool(y[game] > 0), speed))

    def scored(self, first_cars: np.ndarray) -> tuple[GoalScored, ...]:
        """Every goal, by bot."""
        return tuple(
            GoalScored(game, step / STEPS_PER_SECOND, by_blue == bool(first_cars[game, 0]), speed)
            for game, step, by_blue, speed in self._scored
        )

    def by_bot(self, first_cars: np.ndarray) -> dict[str, np.ndarray]:
        """Every figure by game and bot: [G,2] each."""

        def of_cars(values: np.ndarray) -> np.ndarray:
            masks = (first_cars, ~first_cars)
            return np.stack([np.where(mask, values, 0).sum(axis=1) for mask in masks], axis=1)

        first_is_blue = first_cars[:, :1]
        states = self._states
        return {
            "goals": np.where(first_is_blue, self._goals, self._goals[:, ::-1]),
            "touches": of_cars(self._touches),
            "shots": of_cars(states.car_shots),
            "saves": of_cars(states.car_saves),
            "demos": of_cars(states.car_demos),
        }
