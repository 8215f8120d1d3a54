"""Rocket League's .replay files as recordings, through rlgym-tools' parser.

A replay holds about 30 frames/s of what the server sent. rlgym-tools fills the gaps by playing
them in RocketSim; here its frames are put on the even steps of a recording, 15 a second.
"""

import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .constants import BLUE, ORANGE, TICK_SKIP, TICKS_PER_SECOND
from .names import storable
from .recording import RecordedGame, Recording, RecordingMetadata
from .replay_account import absences, compare, gaps, restarts
from .replay_field import check_play
from .replay_frames import UNKNOWN, choose_cars, concatenate, join
from .replay_frames import Frames as _Frames
from .replay_frames import resample as _resample
from .replay_header import ReplayError, ReplayHeader, read_header
from .replay_limits import PARSER_SECONDS, OverTimeError, run_within
from .replay_modes import check_mode
from .replay_periods import Period, PeriodError, convert_period, find_periods
from .replay_tables import Tables, prepare
from .replay_tables import players as _players
from .state import GameStates

MAX_REPLAY_BYTES = 32 * 2**20  # an hour's game is 10 MiB
MAX_FRAMES = 200_000

_SIGNATURE = b"TAGame.Replay_Soccar_TA"

__all__ = ["ReplayError", "_players", "_resample", "read_replay"]


def read_replay(path: Path, progress: Callable[[], None] = lambda: None) -> Recording:
    """Turn a .replay file into a recording.

    It runs the parser on it and plays it in RocketSim, which takes some seconds; hostile files
    are better read in a process of their own, as `replay_import` does.

    Args:
        path: of the file.
        progress: called with every frame that is converted.

    Returns:
        The play. `metadata.details["notes"]` are sentences about what is left out of it, and
        where it differs from the file's header.

    Raises:
        ReplayError: it is no replay of standard play, or the parser cannot read it.
    """
    _check_file(path)
    try:
        header = read_header(path)
        notes = check_mode(header)
        with tempfile.TemporaryDirectory(prefix="lucy-replay-") as folder:
            _parse(path, Path(folder))
            return _convert(Path(folder), path.name, header, notes, progress)
    except ReplayError:
        raise
    except Exception as error:  # the parser's output is as odd as the file, whatever that is
        raise ReplayError(
            f"its content makes no sense to the converter ({type(error).__name__}: {error})"
        ) from error


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for somebody to write
            raise ReplayError("is no file but a folder, a pipe or a device")
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError as error:
        raise ReplayError(f"cannot be read ({error.strerror or error})") from error
    if _SIGNATURE not in start:
        raise ReplayError("is no Rocket League replay")
    if status.st_size > MAX_REPLAY_BYTES:
        raise ReplayError(
            f"has {status.st_size:,} bytes, and a replay is expected to have "
            f"{MAX_REPLAY_BYTES:,} at most"
        )


def _parse(path: Path, folder: Path) -> None:
    """Run rlgym-tools' parser, which writes tables into the folder."""
    # Its own checks refuse short games, in which the ball has not been everywhere
    command = [str(_parser(folder)), "parquet", "--skip-checks"]
    command += ["-i", str(path.absolute()), "-o", str(folder)]
    log = folder / "parser.log"
    quiet = os.environ | {"NO_COLOR": "1", "RUST_BACKTRACE": "0"}
    try:
        status = run_within(command, PARSER_SECONDS, log, quiet)
    except OverTimeError as error:
        raise ReplayError(
            f"keeps the parser busy for over {PARSER_SECONDS:g} s of processor time, where a "
            "whole game takes less than one; save it from the game again, or leave it out"
        ) from error
    if status:
        with log.open("rb") as errors:
            lines = errors.read(4096).decode("utf-8", "replace").splitlines()
        said = [line for line in lines if line.strip() and not line.startswith("thread ")]
        reason = said[0][:200] if said else f"exit status {status}"
        raise ReplayError(f"the parser cannot read it ({reason})")


def _parser(folder: Path) -> Path:
    """The program that comes with rlgym-tools; a copy where it has to be made executable."""
    name = "carball.exe" if os.name == "nt" else "carball"
    shipped = Path(str(resources.files("rlgym_tools.rocket_league.replays").joinpath(name)))
    if os.name == "nt" or os.access(shipped, os.X_OK):
        return shipped
    copy = folder / name
    shutil.copyfile(shipped, copy)
    copy.chmod(stat.S_IRWXU)
    return copy


def _convert(
    folder: Path,
    name: str,
    header: ReplayHeader,
    notes: list[str],
    progress: Callable[[], None],
) -> Recording:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rlgym-tools, about packages that it can do without
        from rlgym_tools.rocket_league.replays.parsed_replay import ParsedReplay

        replay = ParsedReplay.load(folder)
        if len(replay.game_df) > MAX_FRAMES:
            raise ReplayError(
                f"has {len(replay.game_df):,} frames, expected {MAX_FRAMES:,} at most"
            )
        periods = find_periods(replay, header)
        tables = prepare(replay, header, [(period.first, period.last) for period in periods])
        notes += [f"{', '.join(names)} left out: {why}" for why, names in tables.left_out.items()]
        frames, first = _play(replay, header, tables, periods, notes, progress)
    if (tables.demolished_by == UNKNOWN).any():
        notes.append("who demolished a car is RocketSim's guess where the file does not say")
    players = tables.players
    team = np.array([player["team"] for player in players], np.int32)
    scores = [period.score for period in frames]
    begins = restarts(scores)
    late = bool((replay.game_df["ball_has_been_hit"].iloc[: max(periods[0].first, 0)] == 1).any())
    notes += gaps(scores, begins, first if late else None)
    games = _games(frames, begins, team)
    present = np.flatnonzero(np.any([game.car_mask.any(axis=0) for game in games], axis=0))
    players, team = [players[slot] for slot in present], team[present]
    games = [choose_cars(game, present) for game in games]
    if not ((team == BLUE).any() and (team == ORANGE).any()):
        raise ReplayError("has nobody on one of the teams")
    if len(games) > 1:
        notes.append(f"holds {len(games)} matches, of which the header tells of the last")
    notes += absences(players, games, TICKS_PER_SECOND / TICK_SKIP)
    notes += compare(header, players, games[-1])
    metadata = _metadata(replay.metadata["game"], header, players, games, name, notes)
    return Recording(concatenate(games), metadata)


def _play(
    replay: Any,
    header: ReplayHeader,
    tables: Tables,
    periods: Sequence[Period],
    notes: list[str],
    progress: Callable[[], None],
) -> tuple[list[_Frames], int]:
    """All periods that can be converted, and the first frame; of the others a note each."""
    frames: list[_Frames] = []
    first = None
    for period in periods:
        try:
            parts = convert_period(replay, period, tables, header, progress)
            for part in parts:
                _check_field([part])
        except (PeriodError, ReplayError) as error:
            notes.append(
                f"without period {period.number} (frames {period.first} to {period.last}): {error}"
            )
        else:
            frames += parts
            first = period.first if first is None else first
    if first is None:
        raise ReplayError(f"has no play that can be converted; {'; '.join(notes[-3:])}")
    return frames, first


def _games(frames: Sequence[_Frames], begins: list[int], team: np.ndarray) -> list[GameStates]:
    """Each match's steps; every match counts from nothing."""
    games = []
    for begin, end in zip(begins, [*begins[1:], len(frames)], strict=True):
        before = frames[begin - 1].counters[-1] if begin else 0
        periods = [period._replace(counters=period.counters - before) for period in frames]
        games.append(join([_resample(period, team) for period in periods[begin:end]]))
    return games


def _check_field(frames: Sequence[_Frames]) -> None:
    for period in frames:
        check_play(period.ticks, period.ball, period.score)


def _metadata(
    game: dict[str, Any],
    header: ReplayHeader,
    players: list[dict[str, Any]],
    games: Sequence[GameStates],
    name: str,
    notes: list[str],
) -> RecordingMetadata:
    names = [player["name"] for player in players]
    sides = [
        [player["name"] for player in players if player["team"] == side] for side in (BLUE, ORANGE)
    ]
    at_once = [
        max(int(states.car_mask[:, states.car_team == side].sum(axis=1).max()) for states in games)
        for side in (BLUE, ORANGE)
    ]
    ends = np.cumsum([len(states.score) for states in games]).tolist()
    goals = [goal.team for goal in header.goals]
    return RecordingMetadata(
        source="replay",
        mode=f"{at_once[BLUE]}v{at_once[ORANGE]}",
        tick_skip=TICK_SKIP,
        games=[
            RecordedGame(
                start=end - len(states.score),
                stop=end,
                blue=" & ".join(sides[BLUE])[:256],
                orange=" & ".join(sides[ORANGE])[:256],
                players=names,
                score=(int(states.score[-1, BLUE]), int(states.score[-1, ORANGE])),
            )
            for states, end in zip(games, ends, strict=True)
        ],
        details={
            "file": storable(name)[:256],
            "id": _told(game.get("id"), 64),
            "title": _told(game.get("replay_name"), 256),
            "date": _told(game.get("date"), 64),
            "map": _told(game.get("map_name"), 64),
            "goals": [goals.count(BLUE), goals.count(ORANGE)],
            "header": {
                "score": list(header.score),
                "players": [player._asdict() for player in header.players],
            },
            "notes": [storable(note) for note in notes],
        },
    )


def _told(value: Any, length: int) -> str | None:
    return None if value is None else storable(str(value))[:length]
