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
from typing import Any, NamedTuple

import numpy as np

from .constants import BLUE, ORANGE, TICK_SKIP, TICKS_PER_SECOND
from .recording import MAX_CARS, RecordedGame, Recording, RecordingMetadata
from .replay_field import check_play
from .replay_header import ReplayError, read_header
from .replay_limits import PARSER_SECONDS, OverTimeError, run_within
from .replay_modes import check_mode
from .state import GameStates, allocate

MAX_REPLAY_BYTES = 32 * 2**20  # an hour's game is 10 MiB
MAX_FRAMES = 200_000

_SIGNATURE = b"TAGame.Replay_Soccar_TA"
_MAX_GAP_SECONDS = 120.0  # between frames: RocketSim plays on for so long
_ABSENT_SECONDS = 5.0  # a car that is gone for longer was not demolished: its player left


class _Frames(NamedTuple):
    """One period of play, kickoff to goal: F frames of C cars, in the order of the names."""

    ticks: np.ndarray  # [F] float64, from the period's first frame
    ball: np.ndarray  # [F,9] position, velocity, angular velocity
    cars: np.ndarray  # [F,C,9]
    quaternion: np.ndarray  # [F,C,4] w, x, y, z
    boost: np.ndarray  # [F,C] 0..1
    flags: np.ndarray  # [F,C,4] bool: on ground, has flip, demoed, ball touched
    victim: np.ndarray  # [F,C] int: whom the car's bump demolished, -1 nobody
    counters: np.ndarray  # [F,C,3] int: goals, saves, shots
    pads: np.ndarray  # [F,34] bool
    score: np.ndarray  # [F,2] int
    actions: np.ndarray  # [F,C,8] from this frame to the next


def read_replay(path: Path, progress: Callable[[], None] | None = None) -> Recording:
    """Turn a .replay file into a recording.

    It runs the parser on it and plays it in RocketSim, which takes some seconds; hostile files
    are better read in a process of their own, as `replay_import` does.

    Args:
        path: of the file.
        progress: is called for every frame of play.

    Raises:
        ReplayError: it is no replay of standard play, or the parser cannot read it.
    """
    _check_file(path)
    try:
        check_mode(read_header(path))
        with tempfile.TemporaryDirectory(prefix="lucy-replay-") as folder:
            _parse(path, Path(folder))
            return _convert(Path(folder), path.name, progress)
    except ReplayError:
        raise
    except Exception as error:  # the parser's output is as odd as the file, whatever that is
        raise ReplayError(
            f"its content makes no sense to the converter ({type(error).__name__}: {error})"
        ) from error


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError as error:
        raise ReplayError(f"cannot be read ({error.strerror or error})") from error
    if _SIGNATURE not in start:
        raise ReplayError("is no Rocket League replay")
    if size > MAX_REPLAY_BYTES:
        raise ReplayError(
            f"has {size:,} bytes, and a replay is expected to have {MAX_REPLAY_BYTES:,} at most"
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


def _convert(folder: Path, name: str, progress: Callable[[], None] | None) -> Recording:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rlgym-tools, about packages that it can do without
        from rlgym_tools.rocket_league.replays.convert import replay_to_rlgym
        from rlgym_tools.rocket_league.replays.parsed_replay import ParsedReplay

        replay = ParsedReplay.load(folder)
        if len(replay.game_df) > MAX_FRAMES:
            raise ReplayError(
                f"has {len(replay.game_df):,} frames, expected {MAX_FRAMES:,} at most"
            )
        between = np.diff(replay.game_df["time"].to_numpy(np.float64))
        if not ((between >= 0) & (between <= _MAX_GAP_SECONDS)).all():
            raise ReplayError("has frames that do not follow one another in time")
        players = _players(replay)
        frames = list(_collect(replay, replay_to_rlgym(replay, "rocketsim"), players, progress))
    if not frames:
        raise ReplayError("has no play in it, from kickoff to goal")
    _check_field(frames)
    team = np.array([player["team"] for player in players], np.int32)
    states = _join([_resample(period, team) for period in frames])
    present = states.car_mask.any(axis=0)
    if not (present[team == BLUE].any() and present[team == ORANGE].any()):
        raise ReplayError("has nobody on one of the teams")
    return Recording(states, _metadata(replay.metadata, players, states, name))


def _players(replay: Any) -> list[dict[str, Any]]:
    """Those with a car, blue first, in the order of their ids: id, name and team."""
    known = {int(player["unique_id"]): player for player in replay.metadata["players"]}
    with_cars = sorted(int(uid) for uid in replay.player_dfs)
    if set(known) != set(with_cars):
        raise ReplayError("has players without a car in its data, or cars without a player")
    players = [
        {
            "id": uid,
            "name": str(known[uid]["name"])[:256],
            "team": ORANGE if known[uid]["is_orange"] else BLUE,
        }
        for uid in with_cars
    ]
    if not 2 <= len(players) <= MAX_CARS:
        raise ReplayError(f"has {len(players)} players, expected 2 to {MAX_CARS}")
    return sorted(players, key=lambda player: player["team"])


def _collect(
    replay: Any,
    frames: Any,
    players: Sequence[dict[str, Any]],
    progress: Callable[[], None] | None,
) -> Any:
    """rlgym-tools' frames as arrays, a period at a time."""
    counters = _counters(replay, players)
    ids = [player["id"] for player in players]
    period: list[tuple[Any, ...]] = []
    for frame in frames:
        period.append(_frame_values(frame, ids))
        if progress is not None:
            progress()
        if frame.episode_seconds_remaining <= 0:  # a period counts down to its last frame
            yield _stack(period, counters)
            period = []
    if period:
        yield _stack(period, counters)


def _frame_values(frame: Any, ids: list[int]) -> tuple[Any, ...]:
    state, score = frame.state, frame.scoreboard
    cars = [state.cars[uid] for uid in ids]
    return (
        float(state.tick_count),
        _physics(state.ball),
        [_physics(car.physics) for car in cars],
        [car.physics.quaternion.copy() for car in cars],
        [car.boost_amount / 100 for car in cars],
        [(car.on_ground, car.has_flip, car.is_demoed, car.ball_touches > 0) for car in cars],
        [ids.index(car.bump_victim_id) if car.bump_victim_id in ids else -1 for car in cars],
        state.boost_pad_timers == 0,
        (score.blue_score, score.orange_score),
        [np.asarray(frame.actions[uid], np.float32) for uid in ids],
    )


def _physics(body: Any) -> np.ndarray:
    return np.concatenate([body.position, body.linear_velocity, body.angular_velocity])


def _counters(replay: Any, players: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """The time of every raw frame in ticks, and each player's goals, saves and shots then."""
    columns = ["match_goals", "match_saves", "match_shots"]
    tables = {int(uid): table for uid, table in replay.player_dfs.items()}
    counts = [
        tables[player["id"]].reindex(columns=columns).ffill().fillna(0).to_numpy(np.int32)
        for player in players
    ]
    ticks = replay.game_df["time"].to_numpy(np.float64) * TICKS_PER_SECOND
    return ticks, np.stack(counts, axis=1)


def _stack(period: list[tuple[Any, ...]], counters: tuple[np.ndarray, np.ndarray]) -> _Frames:
    columns = [np.array(values) for values in zip(*period, strict=True)]
    ticks, ball, cars, quaternion, boost, flags, victim, pads, score, actions = columns
    raw_ticks, raw_counts = counters
    rows = np.searchsorted(raw_ticks, ticks - 0.5).clip(0, len(raw_ticks) - 1)
    counts = raw_counts[rows]
    # The players' goals are told only while the goal is celebrated, which is no play
    celebration = np.searchsorted(raw_ticks, ticks[-1] + 3 * TICKS_PER_SECOND) - 1
    counts[-1] = raw_counts[max(celebration, rows[-1])]
    return _Frames(
        ticks - ticks[0],
        ball.astype(np.float64),
        cars.astype(np.float64),
        quaternion.astype(np.float64),
        boost.clip(0, 1),
        flags.astype(np.bool_),
        victim.astype(np.int64),
        counts,
        pads.astype(np.bool_),
        score.astype(np.int32),
        actions.astype(np.float32),
    )


def _check_field(frames: Sequence[_Frames]) -> None:
    for period in frames:
        check_play(period.ticks, period.ball, period.score)


def _resample(frames: _Frames, team: np.ndarray) -> GameStates:
    """One period on even steps, but for the last: it is the period's last frame."""
    end = frames.ticks[-1]
    times = np.append(np.arange(0.0, end - TICK_SKIP / 2, TICK_SKIP), end)
    present = ~_absent(frames)
    low = (np.searchsorted(frames.ticks, times, side="right") - 1).clip(0, len(frames.ticks) - 1)
    high = (low + 1).clip(max=len(frames.ticks) - 1)
    span = np.maximum(frames.ticks[high] - frames.ticks[low], 1e-9)
    share = ((times - frames.ticks[low]) / span).clip(0, 1)
    near = np.where(share < 0.5, low, high)

    states = allocate(present[near], team)
    ball = _blend(frames.ball, low, high, share[:, None])
    cars = _blend(frames.cars, low, high, share[:, None, None])
    turned = frames.quaternion / np.linalg.norm(frames.quaternion, axis=-1, keepdims=True)
    sign = np.where((turned[low] * turned[high]).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    weight = share[:, None, None]
    quaternion = (1 - weight) * turned[low] + weight * sign * turned[high]
    demoed = frames.flags[:, :, 2]
    jumps = demoed[low] != demoed[high]  # a respawn is elsewhere: nothing lies between
    cars[jumps], quaternion[jumps] = frames.cars[near][jumps], turned[near][jumps]
    for states_of, values in ((states[:3], ball), (states[3:6], cars)):
        for part, array in enumerate(states_of):
            array[:] = values[..., 3 * part : 3 * part + 3]
    _write_axes(states, quaternion)
    states.car_boost[:] = frames.boost[near]
    for part, array in enumerate((states.car_on_ground, states.car_has_flip, states.car_is_demoed)):
        array[:] = frames.flags[near][:, :, part]
    _write_between(states, frames, low, near)
    for part, array in enumerate((states.car_goals, states.car_saves, states.car_shots)):
        array[:] = frames.counters[low][:, :, part]
    states.boost_pad_active[:] = frames.pads[near]
    states.score[:] = frames.score[low]
    states.episode_start[0] = True
    _clear(states)
    return states


def _blend(values: np.ndarray, low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (1 - share) * values[low] + share * values[high]


def _absent(frames: _Frames) -> np.ndarray:
    """Cars without data for longer than a demolition lasts: [F,C] bool."""
    absent = np.zeros(frames.boost.shape, np.bool_)
    for car, demoed in enumerate(frames.flags[:, :, 2].T):
        edges = np.flatnonzero(np.diff(demoed.astype(np.int8), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2):
            lasted = frames.ticks[min(stop, len(demoed) - 1)] - frames.ticks[start]
            absent[start:stop, car] = lasted > _ABSENT_SECONDS * TICKS_PER_SECOND
    return absent


def _write_axes(states: GameStates, quaternion: np.ndarray) -> None:
    """Source: RLGym v2 `quat_to_rot_mtx`, whose columns are forward, right and up."""
    w, x, y, z = np.moveaxis(quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True), -1, 0)
    forward = (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w))
    right = (2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w))
    up = (2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y))
    for array, axis in zip(states[6:9], (forward, right, up), strict=True):
        array[:] = np.stack(axis, axis=-1)


def _write_between(states: GameStates, frames: _Frames, low: np.ndarray, near: np.ndarray) -> None:
    """What happened since the step before: touches, demolitions and what was pressed."""
    demos = np.zeros(frames.boost.shape[1], np.int32)
    demoed, touched = frames.flags[:, :, 2], frames.flags[:, :, 3]
    for step in range(1, len(near)):
        since, until = near[step - 1] + 1, near[step] + 1
        states.car_ball_touched[step] = touched[since:until].any(axis=0)
        for frame in range(since, until):
            for victim in np.flatnonzero(demoed[frame] & ~demoed[frame - 1]):
                demos += frames.victim[frame] == victim
        states.car_demos[step] = demos
        pressed = frames.actions[low[step - 1] : max(low[step], low[step - 1] + 1)]
        states.previous_action[step, :, :5] = pressed[..., :5].mean(axis=0)
        states.previous_action[step, :, 5:] = pressed[..., 5:].max(axis=0) > 0


def _clear(states: GameStates) -> None:
    """Zero the slots of those who are not there."""
    for name, array in states._asdict().items():
        if name.startswith("car_") and name not in ("car_team", "car_mask"):
            array[~states.car_mask] = 0
    states.previous_action[~states.car_mask] = 0


def _join(periods: Sequence[GameStates]) -> GameStates:
    """Periods one after another; demolitions go on counting, as the other counters do."""
    demos = np.zeros(len(periods[0].car_team), np.int32)
    for states in periods:
        states.car_demos[:] += np.where(states.car_mask, demos, 0)
        demos = states.car_demos.max(axis=0, initial=0).clip(demos)
    arrays = {
        name: np.concatenate([getattr(states, name) for states in periods])
        for name in GameStates._fields
        if name != "car_team"
    }
    return GameStates(**arrays, car_team=periods[0].car_team)


def _metadata(
    header: dict[str, Any], players: list[dict[str, Any]], states: GameStates, name: str
) -> RecordingMetadata:
    names = [player["name"] for player in players]
    sides = [
        [player["name"] for player in players if player["team"] == side] for side in (BLUE, ORANGE)
    ]
    at_once = [
        int(states.car_mask[:, states.car_team == side].sum(axis=1).max()) for side in (0, 1)
    ]
    game = header["game"]
    return RecordingMetadata(
        source="replay",
        mode=f"{at_once[BLUE]}v{at_once[ORANGE]}",
        tick_skip=TICK_SKIP,
        games=[
            RecordedGame(
                start=0,
                stop=len(states.score),
                blue=" & ".join(sides[BLUE])[:256],
                orange=" & ".join(sides[ORANGE])[:256],
                players=names,
                score=(int(states.score[-1, 0]), int(states.score[-1, 1])),
            )
        ],
        details={
            "file": name[:256],
            "id": str(game.get("id"))[:64],
            "title": str(game.get("replay_name"))[:256],
            "date": str(game.get("date"))[:64],
            "map": str(game.get("map_name"))[:64],
            # What the file's header says; more than the score where the data ends early
            "goals": [
                len([g for g in game["goals"] if g["is_orange"] is side]) for side in (False, True)
            ],
        },
    )
