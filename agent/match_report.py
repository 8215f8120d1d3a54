"""A match as its players see it: a progress bar, then a table."""

from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..sim.constants import STEPS_PER_SECOND
from .match import GAME_SECONDS, MatchResult, play
from .opponents import Bot
from .store import Goal, Match


def play_with_progress(
    console: Console, first: Bot, second: Bot, mode: str, games: int, seed: int, **options: Any
) -> MatchResult:
    """`play`, under a progress bar."""
    watch = options.pop("on_step", lambda states, step: None)
    with Progress(console=console, transient=True) as progress:
        steps = round(GAME_SECONDS * STEPS_PER_SECOND)
        title = f"{first.name} against {second.name}, {games} games of {mode}"
        task = progress.add_task(title, total=steps)

        def on_step(states: Any, step: int) -> None:
            progress.update(task, completed=step)
            watch(states, step)

        return play(first, second, mode=mode, games=games, seed=seed, on_step=on_step, **options)


def table(result: MatchResult) -> Table:
    """The result for the console: one column a bot."""
    minutes = f"{len(result.figures['goals'])} games of {result.seconds / 60:g} minutes"
    out = Table("", *result.names, title=f"{result.mode}, {minutes}")
    won, drawn, lost = result.results
    out.add_row("goals", *map(str, result.goals))
    out.add_row("share of goals", *(f"{share:.1%}" for share in _goal_shares(result)))
    out.add_row(f"games won ({drawn} drawn)", str(won), str(lost))
    for figure in result.figures:
        if figure != "goals":
            rates = result.per_minute(figure)
            out.add_row(f"{figure} a car and minute", *(f"{rate:.2f}" for rate in rates))
    return out


def to_json(result: MatchResult) -> dict[str, Any]:
    """The table's figures, and every game's."""
    won, drawn, lost = result.results
    return {
        "bots": list(result.names),
        "mode": result.mode,
        "seconds": result.seconds,
        "goals": list(result.goals),
        "goal_share": _goal_shares(result),
        "won_drawn_lost": [won, drawn, lost],
        "per_car_and_minute": {name: list(result.per_minute(name)) for name in result.figures},
        "games": {name: values.tolist() for name, values in result.figures.items()},
    }


def to_matches(result: MatchResult, seed: int, recording: int | None = None) -> list[Match]:
    """The games as the store keeps them.

    Args:
        result: of the match.
        seed: that it was played with.
        recording: of all of them, in the store.
    """

    def pair(figure: str, game: int) -> tuple[int, int]:
        first, second = result.figures[figure][game].tolist()
        return first, second

    return [
        Match(
            result.names,
            result.mode,
            seed,
            game,
            first_is_blue=game % 2 == 0,
            seconds=result.seconds,
            score=pair("goals", game),
            goals=tuple(Goal(*goal[1:]) for goal in result.scored if goal.game == game),
            figures={name: pair(name, game) for name in result.figures if name != "goals"},
            recording=recording,
        )
        for game in range(len(result.figures["goals"]))
    ]


def _goal_shares(result: MatchResult) -> list[float]:
    goals = result.goals
    return [own / max(sum(goals), 1) for own in goals]
