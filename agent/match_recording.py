"""`lucy match --record`: all games of a match in one recording."""

import math
from pathlib import Path

import numpy as np

from ..sim.constants import BLUE, ORANGE, STEPS_PER_SECOND, TICK_SKIP
from ..sim.engine import TEAM_SIZES
from ..sim.names import bot_labels, storable
from ..sim.recording import (
    RecordedGame,
    Recorder,
    Recording,
    RecordingError,
    RecordingMetadata,
    check_target,
    save_recording,
    step_bytes,
)
from .errors import LucyError
from .match import GAME_SECONDS, MatchResult
from .store import RecordingEntry

_KICKOFFS = 1.05  # each goal adds a step, and between two there are 2 s at the least


class MatchRecordingError(LucyError):
    """A match cannot be recorded; the message says why and what to do."""


class MatchRecording:
    """Takes in the steps of a match that is being played; `play` is given its `recorder.append`."""

    def __init__(
        self, path: Path, mode: str, games: int, seed: int, seconds: float = GAME_SECONDS
    ) -> None:
        """Check, before anything is played, that the recording can be written.

        Raises:
            MatchRecordingError: it cannot, or there would be too much of it.
        """
        self._path, self._mode, self._seed = path, mode, seed
        capacity = math.ceil((seconds * STEPS_PER_SECOND + 1) * _KICKOFFS)
        try:
            check_target(path, games * capacity * step_bytes(2 * TEAM_SIZES[mode]))
        except RecordingError as error:
            raise MatchRecordingError(str(error)) from error
        self.recorder = Recorder(capacity)

    def save(self, result: MatchResult) -> None:
        """Write the games that were played, under the names of their bots.

        Raises:
            MatchRecordingError: the file cannot be written any more.
        """
        states = self.recorder.states()
        metadata = RecordingMetadata(
            source="match",
            mode=self._mode,
            tick_skip=TICK_SKIP,
            seed=self._seed,
            games=_games(result, self.recorder.steps, states.score, states.car_team),
        )
        try:
            save_recording(self._path, Recording(states, metadata))
        except RecordingError as error:
            raise MatchRecordingError(str(error)) from error

    def entry(self, result: MatchResult) -> RecordingEntry:
        """The recording as the store keeps it."""
        steps = int(self.recorder.steps.sum())
        path = str(self._path.resolve())
        return RecordingEntry(path, "match", self._mode, steps, result.names)


def _games(
    result: MatchResult, steps: np.ndarray, score: np.ndarray, car_team: np.ndarray
) -> list[RecordedGame]:
    games = []
    labels = [storable(label)[-256:] for label in bot_labels(result.names)]
    stops = np.cumsum(steps).tolist()
    for game, (start, stop) in enumerate(zip([0, *stops], stops, strict=False)):
        names = labels if game % 2 == 0 else labels[::-1]
        blue, orange = score[stop - 1].tolist()
        games.append(
            RecordedGame(
                start=start,
                stop=stop,
                blue=names[BLUE],
                orange=names[ORANGE],
                players=[names[team] for team in car_team],
                score=(blue, orange),
            )
        )
    return games
