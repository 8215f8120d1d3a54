"""Bots against one another: the table, every pairing, and one pairing opened."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...agent.store import FIXED, readers
from ...sim.constants import BLUE, ORANGE
from .cache import Cache
from .decomposition import balance
from .recordings import Game, Recordings
from .specs import Specs
from .store_view import StoreView

MODES = ("1v1", "2v2", "3v3")

_SUMMED = ["games", "won", "drawn", "lost", "goals", "conceded"]  # of `Standing`
_TURNED = {"won": "lost", "lost": "won", "goals": "conceded", "conceded": "goals"}
_SECONDS = 3.0
_MOST_GAMES = 8  # of a pairing's recordings, that heat maps and rewards look at
_BINS = (61, 49)  # of a heat map, along y and x; odd, so that the middle is in one
_SLOW, _FAST = 500.0, 2200.0  # uu/s, below and above which a car counts as slow and as supersonic
_AIR = 200.0  # uu above the floor, from which a car counts as in the air


class Standing(NamedTuple):
    """A bot in the table of a mode."""

    bot: str
    rating: float | None
    sigma: float | None
    games: int
    won: int
    drawn: int
    lost: int
    goals: int
    conceded: int

    @property
    def share(self) -> float:
        """Of the goals in its games."""
        return self.goals / max(self.goals + self.conceded, 1)


class Side(NamedTuple):
    """One bot in the recorded games of a pairing."""

    figures: dict[str, float]
    places: np.ndarray  # [Y,X] share of time its cars were there, as if it attacked toward +y
    scored_from: np.ndarray  # [N,2] where the ball was last touched before its goals; y toward +
    earned: np.ndarray  # [K] a car and minute


class Opened(NamedTuple):
    """The recorded games of a pairing, taken together."""

    games: int
    first: Side
    second: Side
    ball: np.ndarray  # [Y,X], as if the first attacked toward +y
    components: tuple[str, ...]


class Matchups:
    """Reads matches and ratings for many viewers at once."""

    def __init__(self, store: StoreView, recordings: Recordings, specs: Specs) -> None:
        """Read them from this store."""
        self._store, self._recordings, self._specs = store, recordings, specs
        self._cache = Cache(64)

    def pairings(self, mode: str) -> pd.DataFrame:
        """How every two bots stand; see `readers.read_pairings`.

        Raises:
            DataError: the store cannot be read.
        """
        key = "pairings", self._store.identity, mode
        return self._cache.get(
            key, lambda: self._store.read(readers.read_pairings, mode=mode), _SECONDS
        )

    def ratings(self, mode: str) -> pd.DataFrame:
        """The newest rating of every bot of a mode, and of those that hold the scale in place.

        Returns:
            A row a bot; `sigma` is 0 for one that stands fixed. None where nobody was rated.

        Raises:
            DataError: the store cannot be read.
        """

        def read() -> pd.DataFrame:
            every = self._store.read(readers.read_ratings, mode=mode)
            newest = every.drop_duplicates("bot", keep="last")
            fixed = FIXED[mode] if len(newest) else {}
            played = set(self.pairings(mode)[["first", "second"]].to_numpy().ravel())
            rows = [
                {"bot": bot, "mode": mode, "mu": mu, "sigma": 0.0}
                for bot, mu in fixed.items()
                if bot in played - set(newest["bot"])
            ]
            return pd.concat([newest, pd.DataFrame(rows)]) if rows else newest

        return self._cache.get(("ratings", self._store.identity, mode), read, _SECONDS)

    def games(self, mode: str, pair: tuple[str, str]) -> pd.DataFrame:
        """The games of a pairing, in the order in which they were played, seen by its first bot.

        Returns:
            A row a game: the columns of the store's, and `goals`, `conceded`, `is_first`.

        Raises:
            DataError: the store cannot be read.
        """

        def read() -> pd.DataFrame:
            games = self._store.read(readers.read_matches, pair, mode)
            own = (games["first"] == pair[0]).to_numpy()
            first, second = (games[f"{side}_goals"].to_numpy() for side in ("first", "second"))
            return games.assign(
                goals=np.where(own, first, second),
                conceded=np.where(own, second, first),
                is_first=own,
            )

        key = "games", self._store.identity, mode, pair
        return self._cache.get(key, read, _SECONDS)

    def goals(self, mode: str, pair: tuple[str, str]) -> pd.DataFrame:
        """The goals of a pairing, seen by its first bot.

        Returns:
            A row a goal: the columns of the store's, and `is_own`, whether that bot scored it.

        Raises:
            DataError: the store cannot be read.
        """

        def read() -> pd.DataFrame:
            goals = self._store.read(readers.read_goals, pair, mode)
            alike = pair[0] == pair[1]  # a bot against itself
            own = goals["by_first"] if alike else goals["scorer"] == pair[0]
            return goals.assign(is_own=own.astype(bool))

        return self._cache.get(("goals", self._store.identity, mode, pair), read, _SECONDS)

    def opened(self, mode: str, pair: tuple[str, str], spec: str) -> Opened | None:
        """What the recordings of a pairing show; None where none of its games was recorded.

        Raises:
            DataError: the store or a recording cannot be read.
        """
        games = self.games(mode, pair)
        chosen = games[games["recording_id"].notna()].tail(_MOST_GAMES)
        if chosen.empty:
            return None
        columns: Any = chosen[["recording_id", "game", "first_is_blue", "is_first"]]
        rows = columns.to_numpy(np.int64)
        key = "opened", self._store.identity, mode, pair, spec, rows.tobytes()
        return self._cache.get(key, lambda: self._open(rows.tolist(), spec))

    def _open(self, rows: Sequence[Sequence[int]], spec: str) -> Opened:
        reward = self._specs.get(spec)
        sides: list[list[Side]] = [[], []]
        balls, components = [], ()
        for recording, index, first_is_blue, is_first in rows:
            game = self._recordings.game(f"r{recording}", int(index))
            evaluation = self._recordings.evaluation(game, spec)
            components = evaluation.names
            blue_is_ours = bool(first_is_blue) == bool(is_first)
            teams = (BLUE, ORANGE) if blue_is_ours else (ORANGE, BLUE)
            for side, team in zip(sides, teams, strict=True):
                cars = game.cars[game.states.car_team[game.cars] == team]
                earned = np.asarray(balance(reward, game, evaluation, cars).table["earned"])
                side.append(_side(game, team, cars, earned))
            balls.append(_heat(game.states.ball_position, 1 if teams[0] == BLUE else -1))
        return Opened(
            len(rows), _together(sides[0]), _together(sides[1]), np.mean(balls, axis=0), components
        )


def standings(pairings: pd.DataFrame, ratings: pd.DataFrame) -> list[Standing]:
    """The table of a mode: by rating where there is one, then by share of goals.

    Args:
        pairings: of `Matchups.pairings`.
        ratings: of `Matchups.ratings`.
    """
    # What a bot does against itself says nothing of it
    others: Any = pairings[pairings["first"] != pairings["second"]]
    ours, theirs = others[["first", *_SUMMED]], others[["second", *_SUMMED]]
    theirs = theirs.rename(columns=_TURNED | {"second": "first"})
    sums: Any = pd.concat([ours, theirs]).groupby("first", sort=False).sum()
    sums = sums.to_dict("index")
    rated: Any = ratings.set_index("bot")[["mu", "sigma"]]
    newest = rated.to_dict("index")
    nothing = dict.fromkeys(_SUMMED, 0)
    table = [
        Standing(
            bot,
            newest[bot]["mu"] if bot in newest else None,
            newest[bot]["sigma"] if bot in newest else None,
            **{name: int(value) for name, value in sums.get(bot, nothing).items()},
        )
        for bot in {**sums, **dict.fromkeys(pairings["first"]), **newest}
    ]
    return sorted(table, key=lambda row: (row.rating is None, -(row.rating or 0), -row.share))


def _side(game: Game, team: int, cars: np.ndarray, earned: np.ndarray) -> Side:
    states = game.states
    there = states.car_mask[:, cars] & ~states.car_is_demoed[:, cars]
    steps = max(int(there.sum()), 1)
    minutes = steps * game.step_seconds / 60
    direction = 1 if team == BLUE else -1
    place = states.car_position[:, cars][there]
    speed = np.linalg.norm(states.car_linear_velocity[:, cars], axis=-1)[there]
    boost = states.car_boost[:, cars][there]
    behind = direction * (states.ball_position[:, None, 1] - states.car_position[:, cars, 1])[there]

    def happened(kind: str) -> float:
        return sum(event.kind == kind and event.car in cars for event in game.events) / minutes

    spent = (
        np.maximum(-np.diff(states.car_boost[:, cars], axis=0), 0).sum()
        if len(states.score) > 1
        else 0.0
    )
    distance = np.linalg.norm(
        states.ball_position[:, None] - states.car_position[:, cars], axis=-1
    )[there]
    figures = {
        "Touches a minute": happened("touch"),
        "Shots a minute": happened("shot"),
        "Saves a minute": happened("save"),
        "Demolitions a minute": happened("demo"),
        "Speed (uu/s)": float(speed.mean()) if len(speed) else 0.0,
        "Time supersonic": float((speed > _FAST).mean()) if len(speed) else 0.0,
        "Time slow": float((speed < _SLOW).mean()) if len(speed) else 0.0,
        "Time in the air": float((place[:, 2] > _AIR).mean()) if len(place) else 0.0,
        "Boost in the tank": float(boost.mean()) if len(boost) else 0.0,
        "Tanks of boost used a minute": float(spent) / minutes,
        "Distance to the ball (uu)": float(distance.mean()) if len(distance) else 0.0,
        "Time behind the ball": float((behind > 0).mean()) if len(behind) else 0.0,
        "Time in own half": float((direction * place[:, 1] < 0).mean()) if len(place) else 0.0,
    }
    return Side(figures, _heat(place, direction), _origins(game, team), earned)


def _origins(game: Game, team: int) -> np.ndarray:
    """Where the ball was when the scoring team last touched it before each goal."""
    states = game.states
    own = game.states.car_team == team
    direction = 1 if team == BLUE else -1
    touched = np.flatnonzero(states.car_ball_touched[:, own].any(axis=1))
    name = "blue" if team == BLUE else "orange"
    found = []
    for event in game.events:
        if event.kind == "goal" and event.team == name:
            step = round(event.seconds / game.step_seconds)
            before = touched[touched < step]
            if len(before):
                found.append(direction * states.ball_position[before[-1], :2])
    return np.array(found).reshape(-1, 2)


def _heat(place: np.ndarray, direction: int) -> np.ndarray:
    reach = ((-6000, 6000), (-4096, 4096))
    counts, _, _ = np.histogram2d(
        direction * place[:, 1], direction * place[:, 0], bins=_BINS, range=reach
    )
    return counts / max(counts.sum(), 1)


def _together(sides: Sequence[Side]) -> Side:
    figures: dict[str, Any] = {
        name: float(np.mean([side.figures[name] for side in sides])) for name in sides[0].figures
    }
    return Side(
        figures,
        np.mean([side.places for side in sides], axis=0),
        np.concatenate([side.scored_from for side in sides]),
        np.mean([side.earned for side in sides], axis=0),
    )
