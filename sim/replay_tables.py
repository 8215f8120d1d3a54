"""The parser's tables, made ready for the converter: who drives, and what null stands for."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .constants import BLUE, ORANGE, TICKS_PER_SECOND
from .names import storable
from .recording import MAX_CARS
from .replay_account import GOAL_FRAMES
from .replay_frames import NOBODY, UNKNOWN
from .replay_header import Demolition, Person, ReplayError, ReplayHeader, online_id

NAMELESS = "(no name)"

_POSITION = ["pos_x", "pos_y", "pos_z"]
_MOTION = [f"{part}_{axis}" for part in ("vel", "ang_vel") for axis in "xyz"]
_PHYSICS = [*_POSITION, *_MOTION, *(f"quat_{axis}" for axis in "wxyz")]
_COUNTERS = ["match_goals", "match_saves", "match_shots"]
_SPAWN_BOOST = 100 / 3
_RESPAWN_SECONDS = 3.0


class Tables(NamedTuple):
    """What the recording needs of F raw frames, for its C players."""

    players: list[dict[str, Any]]  # blue first: id, name, team, online_id
    ticks: np.ndarray  # [F] float64
    counters: np.ndarray  # [F,C,3] int: goals, saves, shots, which never fall
    gone: np.ndarray  # [F,C] bool: no data, or demolished
    demolished_by: np.ndarray  # [F,C] int: a slot, NOBODY or UNKNOWN
    crowded: np.ndarray  # [F] bool: somebody drives for whom there is no slot
    left_out: dict[str, list[str]]  # names, by the reason


def players(replay: Any, people: Iterable[Person] = ()) -> list[dict[str, Any]]:
    """Those with a car and a team, blue first, in the order of their ids.

    Args:
        replay: the parser's `ParsedReplay`.
        people: whom the file itself names; they settle what the parser does not know.

    Returns:
        A dictionary each: id, name, team and online_id.
    """
    found = [_player(entry, people) for entry in _entries(replay) if entry["has_car"]]
    for player in found:
        if player["team"] is None:
            player["team"] = _kickoff_half(replay, player["id"])
    known = [player for player in found if player["team"] is not None]
    return sorted(known, key=lambda player: (player["team"], player["id"]))


def prepare(replay: Any, header: ReplayHeader, periods: Sequence[tuple[int, int]]) -> Tables:
    """Bring the parser's tables into the shape that the converter expects.

    Args:
        replay: the parser's `ParsedReplay`, which is changed.
        header: what the file says of itself.
        periods: first and last frame of each period.

    Raises:
        ReplayError: fewer than two players drive.
    """
    frames = replay.game_df.index
    play = np.zeros(len(frames), np.bool_)
    for first, last in periods:
        play[max(first, 0) : last + 1] = True
    replay.ball_df = replay.ball_df.astype(np.float64)
    tables = {int(uid): table.reindex(frames) for uid, table in replay.player_dfs.items()}
    floats = dict.fromkeys([*_PHYSICS, "is_sleeping", "boost_amount"], np.float64)
    tables = {uid: table.astype(floats) for uid, table in tables.items()}
    driving = {uid: table[_POSITION].notna().all(axis=1) for uid, table in tables.items()}
    time_in_play = {uid: int((drives & play).sum()) for uid, drives in driving.items()}
    sided = players(replay, header.people)
    by_time = sorted(sided, key=lambda player: -time_in_play[player["id"]])
    chosen = {player["id"] for player in by_time[:MAX_CARS] if time_in_play[player["id"]]}
    cast = [player for player in sided if player["id"] in chosen]
    if len(cast) < 2:
        raise ReplayError(f"has {len(cast)} players in its play, expected 2 to {MAX_CARS}")
    crowded = np.zeros(len(frames), np.bool_)
    for uid in tables.keys() - chosen:
        crowded |= driving[uid].to_numpy()
    starts = [first for first, _ in periods if 0 <= first < len(frames)]
    ticks = replay.game_df["time"].to_numpy(np.float64) * TICKS_PER_SECOND
    demolished_by = _place(header.demolitions, cast, tables, ticks)
    _rest(replay.ball_df)
    for first, last in periods:  # the converter takes a ball that is asleep for one in the goal
        replay.ball_df.loc[first : last - GOAL_FRAMES, "is_sleeping"] = 0.0
    for player in cast:
        table = tables[player["id"]]
        _rest(table)
        _fill_boost(table, starts)
    left_out = _left_out(replay, header, cast, time_in_play)
    _hand_over(replay, cast, tables)
    return Tables(
        cast,
        ticks,
        np.stack([_counts(tables[player["id"]]) for player in cast], axis=1),
        np.stack([_gone(tables[player["id"]]) for player in cast], axis=1),
        demolished_by,
        crowded,
        left_out,
    )


def _entries(replay: Any) -> list[dict[str, Any]]:
    """The parser's players, one for each id, with all that is told anywhere."""
    with_car = {int(uid) for uid in replay.player_dfs}
    found: dict[int, dict[str, Any]] = {uid: {"unique_id": uid} for uid in sorted(with_car)}
    for entry in replay.metadata["players"]:
        if entry.get("unique_id") is not None:
            own = found.setdefault(int(entry["unique_id"]), {})
            told = {key: value for key, value in entry.items() if value is not None}
            own.update(told | {"unique_id": int(entry["unique_id"])})
    return [entry | {"has_car": uid in with_car} for uid, entry in found.items()]


def _player(entry: dict[str, Any], people: Iterable[Person]) -> dict[str, Any]:
    name, account, orange = _name(entry), online_id(entry.get("online_id")), entry.get("is_orange")
    team = None if orange is None else (ORANGE if orange else BLUE)
    for person in people:
        if person.online_id == account if account else person.name == name:
            name = name or person.name
            team = person.team if team is None else team
    return {
        "id": entry["unique_id"],
        "name": name or NAMELESS,
        "team": team,
        "online_id": account,
    }


def _name(entry: dict[str, Any]) -> str | None:
    name = entry.get("name")
    return storable(str(name))[:256] if name else None


def _kickoff_half(replay: Any, uid: int) -> int | None:
    """The team of somebody of whom only the play tells: the half in which kickoffs find him."""
    table = next(table for key, table in replay.player_dfs.items() if int(key) == uid)
    starts = [period["start_frame"] for period in replay.analyzer["gameplay_periods"]]
    places = table["pos_y"].reindex(starts).dropna()
    if places.empty or places.median() == 0:
        return None
    return BLUE if places.median() < 0 else ORANGE


def _place(
    demolitions: Sequence[Demolition],
    cast: Sequence[dict[str, Any]],
    tables: dict[int, Any],
    ticks: np.ndarray,
) -> np.ndarray:
    """Write the file's demolitions into the tables: a demolished car has no physics."""
    demolished_by = np.full((len(ticks), len(cast)), NOBODY)
    for frame, victim, attacker, until in demolitions:
        slot = _slot(cast, victim)
        if slot is None or frame >= len(ticks):
            continue
        by = _slot(cast, attacker) if attacker else None
        demolished_by[frame, slot] = UNKNOWN if by is None else by
        # Older games leave the wreck where it is until the car is back
        lasts = np.searchsorted(ticks, ticks[frame] + _RESPAWN_SECONDS * TICKS_PER_SECOND)
        back = int(lasts) if until is None else min(until, int(lasts) + 15)
        tables[cast[slot]["id"]].loc[frame : max(back, frame + 1) - 1, _PHYSICS] = np.nan
    return demolished_by


def _slot(cast: Sequence[dict[str, Any]], person: Person) -> int | None:
    """Whose slot it is: that of the same account, else of the same name and team."""
    for index, player in enumerate(cast):
        if person.online_id and player["online_id"] == person.online_id:
            return index
    for index, player in enumerate(cast):
        if player["name"] == person.name and person.team in (None, player["team"]):
            return index
    return None


def _rest(table: Any) -> None:
    """A body that is asleep has no velocity in the file, for it is none."""
    asleep = (table["is_sleeping"] == 1) & table[_POSITION].notna().all(axis=1)
    for column in _MOTION:
        table.loc[asleep & table[column].isna(), column] = 0.0


def _fill_boost(table: Any, starts: Sequence[int]) -> None:
    """Where a car appears and its boost is not told, it is what everyone begins with."""
    here = table["pos_x"].notna()
    appears = here & ~here.shift(fill_value=False)
    appears.iloc[list(starts)] |= here.iloc[list(starts)]
    unknown = appears & table["boost_amount"].isna()
    table.loc[unknown, "boost_amount"] = _SPAWN_BOOST


def _counts(table: Any) -> np.ndarray:
    """Goals, saves and shots by then: [F,3] int32.

    The game tells a counter when it first rises. One that falls has begun anew, as it does for
    players who come back to a match.
    """
    told = table.reindex(columns=_COUNTERS).ffill().fillna(0).to_numpy(np.int32)
    rises = np.diff(told, axis=0, prepend=np.zeros((1, 3), np.int32))
    return np.cumsum(np.where(rises < 0, told, rises), axis=0, dtype=np.int32)


def _gone(table: Any) -> np.ndarray:
    """Where the converter has nothing to place a car by: [F] bool."""
    return table[["is_sleeping", *_PHYSICS]].isna().any(axis=1).to_numpy()


def _left_out(
    replay: Any,
    header: ReplayHeader,
    cast: Sequence[dict[str, Any]],
    time_in_play: dict[int, int],
) -> dict[str, list[str]]:
    chosen = {player["id"] for player in cast}
    left_out: dict[str, list[str]] = {}
    entries = _entries(replay)
    for entry in entries:
        uid = entry["unique_id"]
        if uid in chosen:
            continue
        if not entry["has_car"]:
            reason = "no car in the play"
        elif time_in_play[uid]:
            reason = "no slot for another car"
        else:
            reason = "gone before the play"
        left_out.setdefault(reason, []).append(_player(entry, ())["name"])
    known = {online_id(entry.get("online_id")) or _name(entry) for entry in entries}
    for person in header.people:
        if person.drove and (person.online_id or person.name) not in known:
            left_out.setdefault("not in the parser's data", []).append(person.name or NAMELESS)
    # The parser's order is another one at every run
    return {reason: sorted(names) for reason, names in left_out.items()}


def _hand_over(replay: Any, cast: Sequence[dict[str, Any]], tables: dict[int, Any]) -> None:
    """Leave the converter those who play, with what it reads of them."""
    cars = {entry["unique_id"]: entry.get("car_id") for entry in _entries(replay)}
    replay.player_dfs = {str(player["id"]): tables[player["id"]] for player in cast}
    replay.metadata["game"]["goals"] = []  # the converter wants no null in them
    replay.analyzer["hits"] = [
        hit
        for hit in replay.analyzer.get("hits") or []
        if hit.get("player_unique_id") is not None and hit.get("frame_number") is not None
    ]
    replay.metadata["players"] = [
        {
            "unique_id": str(player["id"]),
            "is_orange": player["team"] == ORANGE,
            "car_id": cars[player["id"]],
        }
        for player in cast
    ]
