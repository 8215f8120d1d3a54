"""`lucy tournament`: every pairing in batches of games that the store keeps as they end."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..sim.names import bot_label
from . import checkpoint
from .errors import LucyError
from .match import GAME_SECONDS, play
from .match_report import to_matches
from .opponents import SHIPPED, Bot, make_bot
from .opponents.guard import BotFailedError
from .opponents.registry import is_named
from .standings import Pairing
from .store import Match, Store

GAMES_AT_ONCE = 20
_STEPS = re.compile(r"step-(\d+)")


class TournamentError(LucyError):
    """A tournament that cannot be played; the message says what to change."""


@dataclass(frozen=True)
class Entrant:
    """A bot that takes part."""

    bot: Bot
    fingerprint: str  # of the weights, or the bot's name; equal ones play alike

    @property
    def name(self) -> str:
        """Of the bot; for a run that was named, of the checkpoint that was its newest."""
        return self.bot.name

    @property
    def checkpoint(self) -> tuple[Path, int] | None:
        """The run's directory and the agent-steps, where it is a run's checkpoint."""
        path = Path(self.name)
        steps = _STEPS.fullmatch(path.name)
        if steps is None or path.parent.name != "checkpoints":
            return None
        return path.parent.parent, int(steps[1])

    @property
    def label(self) -> str:
        """A short name, where it is shown alone."""
        return bot_label(self.name)


class Batch(NamedTuple):
    """Games of one pairing that are played at once."""

    pairing: int
    number: int  # 0, 1, … of the pairing's batches
    games: int


@dataclass(frozen=True)
class Tournament:
    """Who plays whom, and how."""

    entrants: Sequence[Entrant]
    pairs: Sequence[tuple[int, int]]  # of entrants
    mode: str
    games: int  # of each pair
    seed: int
    deterministic: bool
    seconds: float = GAME_SECONDS

    def batches(self) -> list[Batch]:
        """All of it, each pairing's first batch before any pairing's second."""
        starts = range(0, self.games, GAMES_AT_ONCE)
        return [
            Batch(pairing, number, min(GAMES_AT_ONCE, self.games - start))
            for number, start in enumerate(starts)
            for pairing in range(len(self.pairs))
        ]

    def key(self, pairing: int) -> str:
        """What decides how the games of a pairing go, but for how many there are."""
        settings = {
            "bots": [self.entrants[bot].fingerprint for bot in self.pairs[pairing]],
            "mode": self.mode,
            "seed": self.seed,
            "deterministic": self.deterministic,
            "seconds": self.seconds,
            "lucy": version("lucy-skg"),
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def batch_seed(self, number: int) -> int:
        """With which `lucy match` plays the batch of this number again."""
        return int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])

    def results(self, store: Store) -> list[Pairing]:
        """What the store has of it."""
        pairings = []
        for pairing, (first, second) in enumerate(self.pairs):
            kept = store.pairing_games(self.key(pairing))
            goals = [kept[number] for number in range(self.games) if number in kept]
            pairings.append(Pairing(first, second, np.array(goals, np.int64).reshape(-1, 2)))
        return pairings

    def play(self, store: Store, watch: Callable[[float], None]) -> None:
        """Play the games that the store lacks, and add each batch to it as it ends.

        Args:
            store: that keeps them.
            watch: told now and then how many games are done, with shares of those that run.

        Raises:
            StoreError: a batch cannot be stored; those before it are.
            TournamentError: a user's bot failed; the games that need it not are played.
        """
        keys = [self.key(pairing) for pairing in range(len(self.pairs))]
        kept = [store.pairing_games(key) for key in keys]
        done = sum(number < self.games for games in kept for number in games)
        watch(done)
        failed: dict[str, BotFailedError] = {}
        for batch in self.batches():
            start = batch.number * GAMES_AT_ONCE
            lacking = set(range(start, start + batch.games)) - kept[batch.pairing].keys()
            names = {self.entrants[bot].name for bot in self.pairs[batch.pairing]}
            if not lacking or names & failed.keys():
                continue
            try:
                matches = self._play_batch(batch, done, len(lacking), watch)
            except BotFailedError as error:  # the others can play on
                failed[error.bot] = error
                continue
            games = {start + match.game: match for match in matches}
            store.add_pairing_games(keys[batch.pairing], {n: games[n] for n in lacking})
            done += len(lacking)
            watch(done)
        for error in failed.values():
            raise TournamentError(
                f"{error}. The other pairings were played and are kept: mend it and give the same "
                "command again"
            ) from error

    def _play_batch(
        self, batch: Batch, done: int, lacking: int, watch: Callable[[float], None]
    ) -> list[Match]:
        first, second = (self.entrants[bot].bot for bot in self.pairs[batch.pairing])
        seed = self.batch_seed(batch.number)
        result = play(
            first,
            second,
            mode=self.mode,
            games=batch.games,
            seed=seed,
            seconds=self.seconds,
            on_progress=lambda share: watch(done + lacking * share),
        )
        return to_matches(result, seed)


def enter(names: Sequence[str], *, deterministic: bool = False) -> list[Entrant]:
    """The bots of these names.

    Raises:
        TournamentError: one of them comes twice.
        BotError: there is no such bot.
        CheckpointError: a checkpoint cannot be used.
    """
    entrants: list[Entrant] = []
    for name in names:
        entrant = _enter(name, deterministic)
        for other in entrants:
            if entrant.fingerprint == other.fingerprint:
                raise TournamentError(
                    f"{name!r} and {other.label!r} are the same bot: name each bot once, as one "
                    "that plays or as an anchor"
                )
        entrants.append(entrant)
    return entrants


def arrange(
    bots: Sequence[str],
    anchors: Sequence[str] = (),
    *,
    mode: str = "1v1",
    games: int = GAMES_AT_ONCE,
    seed: int = 0,
    deterministic: bool = False,
) -> Tournament:
    """A tournament of each bot against each other, or of each against each anchor.

    Args:
        bots: names.
        anchors: names of those that the bots play in place of one another.
        mode: "1v1", "2v2" or "3v3".
        games: of each pair.
        seed: of every game.
        deterministic: checkpoints play their likeliest actions.

    Raises:
        TournamentError: it has no two bots to play.
        BotError, CheckpointError: see `enter`.
    """
    if len(bots) + len(anchors) < 2:
        raise TournamentError(
            f"a tournament takes two bots or more, got {list(bots)}: name another, or an anchor"
        )
    entrants = enter([*bots, *anchors], deterministic=deterministic)
    everyone = range(len(entrants))
    if anchors:
        pairs = list(product(everyone[: len(bots)], everyone[len(bots) :]))
    else:
        pairs = list(combinations(everyone, 2))
    # The order in which bots were named makes no other games
    pairs = [
        (a, b) if entrants[a].fingerprint < entrants[b].fingerprint else (b, a) for a, b in pairs
    ]
    return Tournament(entrants, pairs, mode, games, seed, deterministic)


def _enter(name: str, deterministic: bool) -> Entrant:
    if name in SHIPPED:
        folder = SHIPPED[name]
    elif is_named(name) or not Path(name).is_dir():
        return Entrant(make_bot(name, deterministic=deterministic), name)
    else:
        folder = checkpoint.resolve(Path(name))
        name = str(folder)
    document = (folder / checkpoint.DOCUMENT).read_bytes()  # which has the sums of the weights
    bot = make_bot(name, deterministic=deterministic)
    return Entrant(bot, hashlib.sha256(document).hexdigest())
