"""`lucy match`: two bots, many games at once, five minutes each or a race to so many goals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

from ..sim.constants import BLUE, GOAL_THRESHOLD_Y, ORANGE, STEPS_PER_SECOND
from ..sim.engine import ArenaPool, Chunk
from ..sim.resets import InitialState, kickoff
from ..sim.state import GameStates
from .match_tally import BALL_SPEED, Tally
from .opponents import Bot, PartingBot

GAME_SECONDS = 300.0
OVERTIME_SECONDS = 300.0  # at most; the game itself knows no limit
AT_ONCE = 64
_OFF_SPOT = 1.0  # uu

OnStep = Callable[[GameStates, int], None]
Record = Callable[[GameStates, np.ndarray], None]


class GoalScored(NamedTuple):
    """One goal of a match."""

    game: int
    seconds: float  # of play since the game began
    by_first: bool  # for the first bot, else for the second
    ball_speed: float  # uu/s
    scorer: int | None = None  # which of the bot's cars, from 0; None for an own goal


class MatchResult(NamedTuple):
    """G games between two bots; where an axis is the bots', the first comes first.

    Figures are counts of a bot's cars together, but for `boost_used` (100 is a tank),
    `defensive_third`, `neutral_third` and `offensive_third` (seconds of its cars there) and
    `ball_speed` (mean uu/s of the ball, for both the same).
    """

    names: tuple[str, str]
    mode: str
    seconds: np.ndarray  # [G] of play in each game
    figures: dict[str, np.ndarray]  # name -> [G,2]
    cars: int  # of each bot
    scored: tuple[GoalScored, ...] = ()  # game after game, in the order of play

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

    @property
    def ball_speed(self) -> float:
        """The ball's mean speed over all play, uu/s."""
        speeds = self.figures[BALL_SPEED][:, 0]
        return float((speeds * self.seconds).sum() / max(self.seconds.sum(), 1e-9))

    def per_minute(self, figure: str) -> tuple[float, float]:
        """A count or sum of each bot per car and minute of play."""
        minutes = max(self.cars * self.seconds.sum() / 60, 1e-9)
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
    overtime: float = 0.0,
    at_once: int = AT_ONCE,
    threads: int | None = None,
    on_step: OnStep = lambda states, step: None,
    on_progress: Callable[[float], None] = lambda share: None,
    record: Record | None = None,
) -> MatchResult:
    """Play games, many at once, each with its own seed; the bots swap sides from game to game.

    Every game begins with a kickoff, and so does play after each goal, the cars a hair off their
    spots (see `_kickoff`). The clock stops at `seconds`; a draw then goes on, from a kickoff,
    until a goal falls. A game is the same to the bit however many are played at once and by
    however many threads.

    Args:
        first: blue in games 0, 2, 4, ….
        second: blue in the others.
        mode: "1v1", "2v2" or "3v3".
        games: how many.
        seed: of all games; game i draws from the stream (seed, i).
        seconds: length of a game.
        overtime: s that a draw goes on at most; a draw after it, or with 0, stays a draw.
        at_once: games played side by side; a game that ends makes room for the next.
        threads: that step the physics and compute the bots; default one a processor.
        on_step: called with the states and the step's number, once before the first step
            and after every one; row r is game r where all games are played at once.
        on_progress: called with the share of play that is done.
        record: called with the states and the games that are in a new one, which after a
            goal is first the goal and then the kickoff; `Recorder.append` is one. All games
            are played at once then.
    """
    rows = games if record else min(games, at_once)
    regulation = max(1, round(seconds * STEPS_PER_SECOND))
    limit = regulation + round(overtime * STEPS_PER_SECOND)
    with _Table((first, second), mode, seed, regulation, limit, rows, threads) as table:
        waiting = iter(range(games))
        ended: dict[int, _Ended] = {}
        for game in table.play(lambda: next(waiting, None), on_step, record):
            if game is not None:
                ended[game.number] = game
            on_progress((len(ended) * regulation + table.steps_played) / (games * regulation))
        return table.result([ended[number] for number in range(games)])


def race(
    first: Bot,
    second: Bot,
    *,
    mode: str = "1v1",
    goals: int = 300,
    seed: int = 0,
    seconds: float = GAME_SECONDS,
    at_once: int = AT_ONCE,
    threads: int | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> MatchResult:
    """Play from kickoff to kickoff until one bot has so many goals; the result is one game.

    A kickoff sets everything back, so a race is a row of points that do not depend on each
    other: they are played many at once, counted in the order of their numbers, and those
    beyond the deciding one do not count. The bots swap sides from point to point.

    Args:
        first: blue in points 0, 2, 4, ….
        second: blue in the others.
        mode: "1v1", "2v2" or "3v3".
        goals: that decide.
        seed: of all points; point i draws from the stream (seed, i).
        seconds: s after which a point without a goal is void.
        at_once: points played side by side.
        threads: see `play`.
        on_progress: see `play`.
    """
    limit = max(1, round(seconds * STEPS_PER_SECOND))
    rows = min(at_once, 2 * goals - 1)
    with _Table((first, second), mode, seed, 0, limit, rows, threads) as table:
        counted = _Counted(goals)
        points = iter(range(2**62))
        for point in table.play(lambda: next(points)):
            if point is not None and counted.add(point):
                break
            on_progress(max(counted.score) / goals)
        return table.result([_joined(counted.points)])


class _Ended(NamedTuple):
    """A game that is over."""

    number: int
    steps: int
    score: tuple[int, int]
    figures: dict[str, tuple[float, float]]
    scored: list[GoalScored]


class _Counted:
    """A race: points in the order of their numbers."""

    def __init__(self, goals: int) -> None:
        self.points: list[_Ended] = []
        self.score = [0, 0]
        self._goals = goals
        self._early: dict[int, _Ended] = {}  # played before one with a lower number

    def add(self, point: _Ended) -> bool:
        """Whether the race is decided."""
        self._early[point.number] = point
        while max(self.score) < self._goals and len(self.points) in self._early:
            next_one = self._early.pop(len(self.points))
            self.points.append(next_one)
            self.score = [s + p for s, p in zip(self.score, next_one.score, strict=True)]
        return max(self.score) >= self._goals


def _joined(points: list[_Ended]) -> _Ended:
    """A race as one game."""
    steps = np.array([point.steps for point in points])
    pairs = {name: np.array([p.figures[name] for p in points]) for name in points[0].figures}
    figures = {name: tuple(values.sum(axis=0).tolist()) for name, values in pairs.items()}
    speed = float(pairs[BALL_SPEED][:, 0] @ steps / steps.sum())
    first, second = np.array([point.score for point in points]).sum(axis=0).tolist()
    before = (np.cumsum(steps) - steps) / STEPS_PER_SECOND
    scored = [
        goal._replace(game=0, seconds=float(goal.seconds + start))
        for point, start in zip(points, before, strict=True)
        for goal in point.scored
    ]
    both = {BALL_SPEED: (speed, speed)}
    return _Ended(0, int(steps.sum()), (first, second), figures | both, scored)  # pyright: ignore[reportArgumentType]


class _Table:
    """Rows of a pool, each with a game that is being played, or with none any more."""

    def __init__(
        self,
        bots: tuple[Bot, Bot],
        mode: str,
        seed: int,
        regulation: int,
        limit: int,
        rows: int,
        threads: int | None,
    ) -> None:
        self._names, self._mode, self._seed = (bots[0].name, bots[1].name), mode, seed
        self._regulation, self._limit = regulation, limit  # steps
        self._pool = ArenaPool([mode] * rows, threads=threads)
        states = self._pool.states
        shape = states.car_mask.shape
        self._team_size = shape[1] // 2
        self._tally = Tally(states)
        self._controls = np.zeros((*shape, 8), np.float32)
        self._games: list[int | None] = [None] * rows
        self._playing = np.zeros(rows, np.bool_)
        self._clock = np.zeros(rows, np.int64)
        self._score = np.zeros((rows, 2), np.int64)  # blue, orange
        self._goals_of_cars = np.zeros(shape, np.int32)
        self._scored: list[list[GoalScored]] = [[] for _ in range(rows)]
        self._cars = (np.zeros(shape, np.bool_), np.zeros(shape, np.bool_))  # each bot's
        self._resets, *self._random = (
            [np.random.default_rng() for _ in range(rows)] for _ in range(3)
        )
        self._whole, self._parts = _divide(bots, self._pool.chunks)

    def __enter__(self) -> "_Table":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()

    @property
    def steps_played(self) -> int:
        """Of regulation time, in the games that are being played."""
        return int(np.minimum(self._clock, self._regulation)[self._playing].sum())

    def play(
        self,
        next_game: Callable[[], int | None],
        on_step: OnStep = lambda states, step: None,
        record: Record | None = None,
    ) -> Iterator[_Ended | None]:
        """Play the games that `next_game` names until it names none: those that ended.

        Yields:
            Each game that is over, and None after every step.
        """
        states = self._pool.states
        for row in range(len(self._games)):
            self._seat(row, next_game())
        for index, bot in self._whole:
            bot.start(states, self._cars[index], self._random[index])
        for chunk in self._pool.chunks:
            rows = slice(chunk.start, chunk.stop)
            for index, bot in self._parts[chunk.start]:
                bot.start(chunk.states, self._cars[index][rows], self._random[index][rows])
        if record:
            record(states, np.flatnonzero(self._playing))
        on_step(states, 0)
        step = 0
        with _one_torch_thread():
            while self._playing.any():
                for _, bot in self._whole:
                    bot.act(states, self._controls)
                self._pool.map(self._step)
                step += 1
                over = self._settle(record)
                on_step(states, step)
                for row in over:
                    yield self._ended(row)
                    self._seat(row, next_game())
                yield None

    def result(self, games: list[_Ended]) -> MatchResult:
        """These games as a match."""
        figures = {"goals": np.array([game.score for game in games])}
        for name in games[0].figures:
            figures[name] = np.array([game.figures[name] for game in games])
        return MatchResult(
            self._names,
            self._mode,
            np.array([game.steps / STEPS_PER_SECOND for game in games]),
            figures,
            self._team_size,
            tuple(goal for game in games for goal in game.scored),
        )

    def _seat(self, row: int, game: int | None) -> None:
        """Begin a game in a row, or let it rest."""
        self._games[row] = game
        self._playing[row] = game is not None
        if game is None:
            self._pool.rest(row)
            for cars in self._cars:
                cars[row] = False
            return
        for generators, stream in zip(
            (self._resets, *self._random),
            np.random.SeedSequence([self._seed, game]).spawn(3),
            strict=True,
        ):
            generators[row].bit_generator.state = np.random.PCG64(stream).state
        blue = self._pool.states.car_team == BLUE
        self._cars[0][row] = blue ^ (game % 2 == 1)
        self._cars[1][row] = ~self._cars[0][row]
        self._clock[row] = self._score[row] = 0
        self._scored[row] = []
        self._kick_off(row)
        self._tally.begin(row)

    def _kick_off(self, row: int) -> None:
        self._pool.set_state(row, _kickoff(self._resets[row], self._team_size))
        self._goals_of_cars[row] = self._pool.states.car_goals[row]
        self._tally.kick_off(row)

    def _step(self, chunk: Chunk) -> None:
        """One step of the rows of a chunk, in any thread."""
        rows = slice(chunk.start, chunk.stop)
        if not self._playing[rows].any():
            return
        for _, bot in self._parts[chunk.start]:
            bot.act(chunk.states, self._controls[rows])
        self._pool.step_chunk(chunk, self._controls)
        self._tally.update(chunk.states, rows)

    def _settle(self, record: Record | None) -> list[int]:
        """Count goals, begin what follows them, and return the rows whose game is over."""
        states = self._pool.states
        self._clock += self._playing
        y = states.ball_position[:, 1]
        goal = self._playing & (np.abs(y) > GOAL_THRESHOLD_Y)
        for row in np.flatnonzero(goal).tolist():
            self._count_goal(row, BLUE if y[row] > 0 else ORANGE)
        drawn = self._score[:, BLUE] == self._score[:, ORANGE]
        late = self._clock >= self._regulation
        over = self._playing & late & (~drawn | (self._clock >= self._limit))
        overtime = self._playing & ~over & drawn & (self._clock == self._regulation)
        if record:
            record(states, np.flatnonzero(self._playing))
        again = np.flatnonzero((goal | overtime) & ~over)
        for row in again.tolist():
            self._kick_off(row)
        if record:
            record(states, again)
        return np.flatnonzero(over).tolist()

    def _count_goal(self, row: int, team: int) -> None:
        states, game = self._pool.states, self._games[row]
        assert game is not None
        self._score[row, team] += 1
        own = self._cars[0][row]
        by_first = bool(own[0]) == (team == BLUE)
        scored = (states.car_goals[row] > self._goals_of_cars[row]) & (states.car_team == team)
        scorer = int(scored.argmax()) % self._team_size if scored.any() else None
        seconds = float(self._clock[row] / STEPS_PER_SECOND)
        speed = float(np.linalg.norm(states.ball_linear_velocity[row]))
        self._scored[row].append(GoalScored(game, seconds, by_first, speed, scorer))

    def _ended(self, row: int) -> _Ended:
        game = self._games[row]
        assert game is not None
        first_cars = self._cars[0][row]
        blue, orange = self._score[row].tolist()
        score = (blue, orange) if first_cars[0] else (orange, blue)
        figures = self._tally.figures(row, first_cars)
        return _Ended(game, int(self._clock[row]), score, figures, self._scored[row])


def _kickoff(random: np.random.Generator, team_size: int) -> InitialState:
    """The game's kickoff, each car up to `_OFF_SPOT` uu beside its spot in x and in y.

    Bots that take the likeliest action would otherwise play the same few points again and again,
    five in 1v1: any number of games would tell no more than those, and look certain.
    """
    state = kickoff(random, team_size)
    position = np.array(state.car_position)
    position[:, :2] += random.uniform(-_OFF_SPOT, _OFF_SPOT, (2 * team_size, 2))
    return state._replace(car_position=position)


_Seated = list[tuple[int, Bot]]  # 0 for the first bot, 1 for the second


def _divide(bots: tuple[Bot, Bot], chunks: list[Chunk]) -> tuple[_Seated, dict[int, _Seated]]:
    """The bots that play all games by themselves, and by chunk the parts of the others."""
    whole: _Seated = []
    parts: dict[int, _Seated] = {chunk.start: [] for chunk in chunks}
    for index, bot in enumerate(bots):
        if isinstance(bot, PartingBot):
            for seated in parts.values():
                seated.append((index, bot.part()))
        else:
            whole.append((index, bot))
    return whole, parts


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Leave the cores to our own threads: a bot's operators are too small to be split."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
