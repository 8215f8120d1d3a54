"""A tournament as its watchers see it: a progress bar, then one table and what it tells."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TimeRemainingColumn,
)
from rich.table import Table

from ..sim.names import bot_labels
from .messages import text_column
from .ratings import BotRating, rate
from .standings import Comparison, Estimate, Pairing, Standing, Z, compare, standings
from .store import Rating, Store
from .store.readers import read_ratings
from .tournament import Entrant, Tournament

_SECONDS_BETWEEN_LINES = 30.0  # where the output is no terminal
_TOO_MANY = 100_000  # games, of which nobody would play so many


class Place(NamedTuple):
    """One bot in the table."""

    entrant: Entrant
    standing: Standing
    rating: BotRating


class Report(NamedTuple):
    """How a tournament stands, the best bot first."""

    tournament: Tournament
    pairings: list[Pairing]
    places: list[Place]
    neighbours: list[Comparison | None]  # of each bot with the next


def report(tournament: Tournament, store: Store) -> Report:
    """How a tournament stands by the games that the store has of it."""
    pairings = tournament.results(store)
    entrants = tournament.entrants
    names = [entrant.name for entrant in entrants]
    played = standings(len(entrants), pairings)
    rated = rate(names, pairings, tournament.mode)
    order = sorted(range(len(entrants)), key=lambda bot: (-rated[bot].mu, names[bot]))
    return Report(
        tournament,
        pairings,
        [Place(entrants[bot], played[bot], rated[bot]) for bot in order],
        [compare(pairings, *pair) for pair in pairwise(order)],
    )


def play_with_progress(tournament: Tournament, store: Store, console: Console) -> None:
    """Play what is lacking, under a bar with games/s and the time left."""
    total = tournament.games * len(tournament.pairs)
    bar = Progress(
        text_column("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        text_column("games, {task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    start: tuple[float, float] | None = None
    last_line = time.monotonic()

    def watch(done: float) -> None:
        nonlocal start, last_line
        now = time.monotonic()
        start = start or (done, now)
        rate = f"{(done - start[0]) / max(now - start[1], 1e-9):.2f} games/s"
        bar.update(task, completed=done, rate=rate)
        if not console.is_terminal and now - last_line > _SECONDS_BETWEEN_LINES:
            last_line = now
            console.print(f"{int(done):,} of {total:,} games, {rate}")

    with bar:
        task = bar.add_task(f"{tournament.mode}", total=total, rate="")
        tournament.play(store, watch)


def table(report: Report) -> Table:
    """The standing for the console: a row a bot; intervals are of 95 %."""
    tournament = report.tournament
    games = f"{tournament.games} games of {tournament.seconds / 60:g} minutes a pairing"
    out = Table(title=f"{tournament.mode}, {games}")
    out.add_column("bot", overflow="fold")
    for column in ("rating", "won drawn lost", "win rate", "goals", "goal share"):
        out.add_column(column, justify="right", no_wrap=column != "won drawn lost")
    for label, (_, standing, rating) in zip(_labels(report), report.places, strict=True):
        out.add_row(
            label,
            f"{rating.mu:.1f} " + ("fixed" if rating.fixed else f"± {Z * rating.sigma:.1f}"),
            f"{standing.won}-{standing.drawn}-{standing.lost}",
            _percent(standing.win_rate),
            f"{standing.goals}-{standing.conceded}",
            _percent(standing.goal_share),
        )
    return out


def verdicts(report: Report) -> list[str]:
    """For each two neighbours of the table whether the difference is certain; a line each."""
    pairs = zip(pairwise(_labels(report)), report.neighbours, strict=True)
    return [f"{one} before {other}: {_verdict(told)}" for (one, other), told in pairs]


def _labels(report: Report) -> list[str]:
    return bot_labels([place.entrant.name for place in report.places])


def to_json(report: Report) -> dict[str, Any]:
    """The table's figures, the comparisons, and the goals of every game."""
    tournament = report.tournament
    names = [entrant.name for entrant in tournament.entrants]
    return {
        "mode": tournament.mode,
        "games": tournament.games,
        "seconds": tournament.seconds,
        "seed": tournament.seed,
        "deterministic": tournament.deterministic,
        "bots": [
            {
                "bot": entrant.name,
                "rating": rating._asdict(),
                **standing._asdict(),
                "win_rate": _named(standing.win_rate),
                "goal_share": _named(standing.goal_share),
            }
            for entrant, standing, rating in report.places
        ],
        "neighbours": [told and told._asdict() for told in report.neighbours],
        "pairings": [
            {"bots": [names[first], names[second]], "goals": goals.tolist()}
            for first, second, goals in report.pairings
        ],
    }


def keep_ratings(report: Report, store: Store) -> None:
    """Add the ratings to the store, but those that are its newest of a bot and mode already."""
    mode = report.tournament.mode
    known = read_ratings(store, mode).groupby("bot").last()
    ratings = [_to_rating(place, mode, store) for place in report.places if not place.rating.fixed]
    store.add_ratings(
        rating
        for rating in ratings
        if rating.bot not in known.index
        or tuple(known.loc[rating.bot, ["mu", "sigma", "games"]])
        != (rating.mu, rating.sigma, rating.games)
    )


def _to_rating(place: Place, mode: str, store: Store) -> Rating:
    entrant, standing, rating = place
    directory, steps = entrant.checkpoint or (None, None)
    run = store.find_run(Path(directory)) if directory else None
    return Rating(entrant.name, mode, rating.mu, rating.sigma, standing.games, run, steps)


def _percent(share: Estimate | None) -> str:
    if share is None:
        return "-"
    return f"{share.value:.1%} [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _named(share: Estimate | None) -> dict[str, float] | None:
    return share and share._asdict()


def _verdict(told: Comparison | None) -> str:
    if told is None:
        return "they have no games that compare them"
    if told.direct:
        seen = f"{0.5 + told.lead:.0%} of their {told.games} games"
    else:
        seen = f"{abs(told.lead):.0%} {'more' if told.lead >= 0 else 'fewer'} wins"
        seen += " against the same opponents"
    if told.significant:
        return f"certain ({seen})"
    if told.games_needed is None:
        return f"not to be told ({seen}); the order is by rating"
    if told.games_needed > _TOO_MANY:
        return f"not certain ({seen}); more than {_TOO_MANY:,} games would tell"
    return f"not certain yet ({seen}); about {told.games_needed:,} games a pairing would tell"
