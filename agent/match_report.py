"""A match as its players see it: a progress bar, then a table."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..sim.names import bot_labels
from .match import MatchResult, play, race
from .match_tally import BALL_SPEED
from .messages import transient_bar, visible
from .opponents import Bot
from .store import Goal, Match

_THIRDS = {
    "defensive_third": "time in the own third",
    "neutral_third": "time in the middle third",
    "offensive_third": "time in the other's third",
}


def play_with_progress(
    console: Console,
    first: Bot,
    second: Bot,
    mode: str,
    games: int,
    seed: int,
    overtime: float = 0.0,
    **options: Any,
) -> MatchResult:
    """`play`, under a progress bar."""
    title = f"{_pair(first, second)}, {games} games of {mode}"
    with _bar(console, title) as on_progress:
        return play(
            first,
            second,
            mode=mode,
            games=games,
            seed=seed,
            overtime=overtime,
            on_progress=on_progress,
            **options,
        )


def race_with_progress(
    console: Console, first: Bot, second: Bot, mode: str, goals: int, seed: int
) -> MatchResult:
    """`race`, under a progress bar."""
    title = f"{_pair(first, second)} to {goals} goals of {mode}"
    with _bar(console, title) as on_progress:
        return race(first, second, mode=mode, goals=goals, seed=seed, on_progress=on_progress)


def table(result: MatchResult) -> Table:
    """The result for the console: one column a bot."""
    played = len(result.seconds)
    games = f"{played} game{'s' * (played > 1)}, {result.seconds.sum() / 60:.0f} minutes of play"
    out = Table("", *bot_labels(result.names), title=f"{result.mode}, {games}")
    won, drawn, lost = result.results
    out.add_row("goals", *map(str, result.goals))
    out.add_row("share of goals", *(f"{share:.1%}" for share in _goal_shares(result)))
    out.add_row(f"games won ({drawn} drawn)", str(won), str(lost))
    for figure in result.figures:
        if figure in _THIRDS:
            out.add_row(_THIRDS[figure], *(f"{share:.0%}" for share in _share(result, figure)))
        elif figure not in ("goals", BALL_SPEED):
            rates = result.per_minute(figure)
            label = figure.replace("_", " ")
            out.add_row(f"{label} a car and minute", *(f"{rate:.2f}" for rate in rates))
    out.caption = f"The ball's mean speed was {result.ball_speed:.0f} uu/s."
    return out


def to_json(result: MatchResult) -> dict[str, Any]:
    """The table's figures, and every game's."""
    won, drawn, lost = result.results
    return {
        "bots": list(result.names),
        "mode": result.mode,
        "seconds": result.seconds.tolist(),
        "goals": list(result.goals),
        "goal_share": _goal_shares(result),
        "won_drawn_lost": [won, drawn, lost],
        "per_car_and_minute": {
            name: list(result.per_minute(name)) for name in result.figures if name != BALL_SPEED
        },
        "ball_speed": result.ball_speed,
        "games": {name: values.tolist() for name, values in result.figures.items()},
        "scored": [goal._asdict() for goal in result.scored],
    }


def to_matches(result: MatchResult, seed: int, recording: int | None = None) -> list[Match]:
    """The games as the store keeps them.

    Args:
        result: of the match.
        seed: that it was played with.
        recording: of all of them, in the store.
    """

    def pair(figure: str, game: int) -> tuple[float, float]:
        first, second = result.figures[figure][game].tolist()
        return first, second

    goals = result.figures["goals"]
    return [
        Match(
            result.names,
            result.mode,
            seed,
            game,
            first_is_blue=game % 2 == 0,
            seconds=float(result.seconds[game]),
            score=(int(goals[game, 0]), int(goals[game, 1])),
            goals=tuple(Goal(*goal[1:]) for goal in result.scored if goal.game == game),
            figures={name: pair(name, game) for name in result.figures if name != "goals"},
            recording=recording,
        )
        for game in range(len(goals))
    ]


def _pair(first: Bot, second: Bot) -> str:
    return " against ".join(bot_labels([first.name, second.name]))


def _goal_shares(result: MatchResult) -> list[float]:
    goals = result.goals
    return [own / max(sum(goals), 1) for own in goals]


def _share(result: MatchResult, third: str) -> list[float]:
    """Of each bot's time in all thirds."""
    whole = sum(result.figures[name].sum(axis=0) for name in _THIRDS)
    return (result.figures[third].sum(axis=0) / np.maximum(whole, 1e-9)).tolist()


@contextmanager
def _bar(console: Console, title: str) -> Iterator[Callable[[float], None]]:
    with transient_bar(console) as progress:
        task = progress.add_task(visible(title), total=1.0)
        yield lambda share: progress.update(task, completed=share)
