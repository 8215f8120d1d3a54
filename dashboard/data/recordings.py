"""Recorded games: those in the store, those in the runs' folder, and dropped replays."""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...agent.store import readers
from ...rewards.errors import RewardError
from ...rewards.spec import RewardSpec
from ...rewards.trajectory import Evaluation, evaluate_trajectory
from ...sim.constants import BLUE, TICKS_PER_SECOND
from ...sim.file_search import search_folder
from ...sim.names import bot_labels
from ...sim.recording import SUFFIX, Recording, RecordingError, load_recording
from ...sim.state import GameStates
from .cache import Cache
from .errors import DataError
from .events import Event, find_events
from .specs import Specs
from .store_view import StoreView
from .uploads import Uploads

_LIST_SECONDS = 3.0
_KEPT_RECORDINGS = 3
_KEPT_EVALUATIONS = 24


class Source(NamedTuple):
    """Where a recording comes from."""

    key: str  # by which an address names it
    label: str
    kind: str  # "match", "replay", …
    path: Path
    names: tuple[str, ...]


class Game(NamedTuple):
    """One game of a recording."""

    source: Source
    number: int  # from 0
    games: int
    states: GameStates
    players: tuple[str, ...]  # a name a car slot, see `lucy.sim.names`
    blue: str
    orange: str
    score: tuple[int, int]
    step_seconds: float
    events: Sequence[Event]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (len(self.states.score) - 1) * self.step_seconds

    def team(self, car: int) -> str:
        """The team of a slot, "blue" or "orange"."""
        return "blue" if self.states.car_team[car] == BLUE else "orange"

    @property
    def cars(self) -> np.ndarray:
        """[C] int: the slots that a car was ever in."""
        return np.flatnonzero(self.states.car_mask.any(axis=0))


class Recordings:
    """Reads recordings for many viewers at once."""

    def __init__(self, store: StoreView, folder: Path, uploads: Uploads, specs: Specs) -> None:
        """Read them from the store, this folder and what was dropped."""
        self._store, self._folder, self._uploads, self._specs = store, folder, uploads, specs
        self._lists = Cache(2)
        self._loaded = Cache(_KEPT_RECORDINGS)
        self._evaluated = Cache(_KEPT_EVALUATIONS)

    def sources(self) -> list[Source]:
        """All recordings, the newest of the store first; a missing store has none."""
        listed = self._lists.get("sources", self._find, _LIST_SECONDS)
        return [*self._dropped(), *listed]

    def source(self, key: str) -> Source:
        """The recording of this key.

        Raises:
            DataError: there is none.
        """
        for source in self.sources():
            if source.key == key:
                return source
        raise DataError(
            "This recording is not known here (any more): a dropped replay is kept until the "
            "dashboard ends. Choose another, or drop the file again."
        )

    def game(self, key: str, index: int) -> Game:
        """One game of a recording.

        Raises:
            DataError: there is none, or the file went away or is damaged.
        """
        source = self.source(key)
        recording = self._load(source)
        games = recording.metadata.games
        index = min(index, len(games) - 1)
        about = games[index]
        step_seconds = recording.metadata.tick_skip / TICKS_PER_SECOND
        states = recording.game(index)
        blue, orange = bot_labels([about.blue, about.orange])
        return Game(
            source,
            index,
            len(games),
            states,
            tuple(bot_labels(about.players)),
            blue,
            orange,
            about.score,
            step_seconds,
            find_events(states, step_seconds),
        )

    def evaluation(self, game: Game, spec: str, steps: int = 0) -> Evaluation:
        """What a reward pays in a game.

        Args:
            game: of `game`.
            spec: a name of `Specs`.
            steps: of training that the weights' schedules stand at.

        Raises:
            DataError: there is no such reward, or a component of it fails.
        """
        reward = self._specs.get(spec)
        key = game.source.key, _stamp(game.source.path), game.number, _content(reward), steps
        try:
            return self._evaluated.get(key, lambda: evaluate_trajectory(reward, game.states, steps))
        except RewardError as error:
            raise DataError(f"{spec}: {error}") from error

    def _load(self, source: Source) -> Recording:
        try:
            return self._loaded.get(
                (source.key, _stamp(source.path)), lambda: load_recording(source.path)
            )
        except RecordingError as error:
            raise DataError(str(error)) from error

    def _find(self) -> list[Source]:
        try:
            rows = self._store.read(readers.read_recordings).to_dict("records")
        except DataError:  # the runs' page says it; files can be looked at without a store
            rows = []
        stored = [
            Source(
                f"r{row['id']}",
                f"{row['source']} {row['id']}: {' against '.join(bot_labels(row['names']))} "
                f"({row['mode']})",
                str(row["source"]),
                Path(row["path"]),
                tuple(row["names"]),
            )
            for row in reversed(rows)
        ]
        known = {source.path for source in stored}
        return stored + [source for source in self._files() if source.path not in known]

    def _files(self) -> list[Source]:
        if not self._folder.is_dir():
            return []
        found = search_folder(self._folder, (SUFFIX,)).files
        return [
            Source(
                "f" + hashlib.sha256(str(path.relative_to(self._folder)).encode()).hexdigest()[:16],
                str(path.relative_to(self._folder)),
                "file",
                path.resolve(),
                (),
            )
            for path in found
        ]

    def _dropped(self) -> list[Source]:
        return [
            Source(f"u{key}", f"dropped: {name}", "replay", path, ())
            for key, (name, path) in self._uploads.all().items()
        ]


def _stamp(path: Path) -> Any:
    """Changes when the file does.

    Raises:
        DataError: it is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(
            f"The recording {path.name} went away ({error.strerror or error}). Record it again "
            "with lucy match --record, or choose another."
        ) from error
    return status.st_mtime_ns, status.st_size


def _content(spec: RewardSpec) -> str:
    files = repr(sorted(spec.files.items()))  # a component's module may change as well
    return hashlib.sha256((spec.model_dump_json() + files).encode()).hexdigest()


def pack(game: Game) -> bytes:
    """A game for the browser: the length of a JSON text, the text, and rows of float32.

    A row is a step: ball x, y, z; two numbers of 17 bits each, the pads; the score; 1 where an
    episode begins; then every car's position, forward, up, boost, and 1 where it is there plus
    2 where it is demolished.
    """
    states, cars = game.states, game.cars
    bits = 2.0 ** np.arange(17)
    pads = states.boost_pad_active
    there = states.car_mask[:, cars] + 2.0 * states.car_is_demoed[:, cars]
    body = np.concatenate(
        [
            states.car_position[:, cars],
            states.car_forward[:, cars],
            states.car_up[:, cars],
            states.car_boost[:, cars, None],
            there[..., None],
        ],
        axis=2,
    )
    columns = [
        states.ball_position,
        (pads[:, :17] @ bits)[:, None],
        (pads[:, 17:] @ bits)[:, None],
        states.score - states.score[:1],
        states.episode_start[:, None],
        body.reshape(len(body), -1),
    ]
    rows = np.ascontiguousarray(np.concatenate(columns, axis=1), "<f4")
    about: Mapping[str, Any] = {
        "steps": len(rows),
        "columns": rows.shape[1],
        "stepSeconds": game.step_seconds,
        "blue": game.blue,
        "orange": game.orange,
        "cars": [
            {
                "name": game.players[car],
                "team": "blue" if states.car_team[car] == BLUE else "orange",
            }
            for car in cars
        ],
        "events": [event._asdict() for event in game.events if event.kind != "touch"],
    }
    text = json.dumps(about).encode()
    text += b" " * (-len(text) % 4)  # the rows begin at a multiple of 4
    return struct.pack("<I", len(text)) + text + rows.tobytes()
