"""Periods of a replay, kickoff to goal, each converted on its own: one that fails costs itself."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .constants import BLUE, ORANGE, TICKS_PER_SECOND
from .replay_account import GOAL_FRAMES, first_goal, goal_of, score_before
from .replay_frames import Frames
from .replay_header import ReplayError, ReplayHeader
from .replay_tables import Tables

_MAX_GAP_SECONDS = 120.0  # between frames: RocketSim plays on for so long
_MAX_BALL_GAP = 15  # frames
_CELEBRATION_SECONDS = 2.0  # a kickoff comes after 3 at the earliest


class PeriodError(ValueError):
    """A period cannot be converted; the message says why."""


class Period(NamedTuple):
    """What the parser takes for play from a kickoff to a goal, by raw frames."""

    number: int
    first: int
    last: int  # the goal's, where there is one
    after: int  # the last frame of the period before
    entry: dict[str, Any]  # for the converter


def find_periods(replay: Any, header: ReplayHeader) -> list[Period]:
    """The parser's periods, each of which ends with the header's first goal in it.

    Raises:
        ReplayError: there are none.
    """
    periods: list[Period] = []
    after = -1
    for number, entry in enumerate(replay.analyzer["gameplay_periods"], 1):
        first, end, goal = (entry.get(f"{name}_frame") for name in ("start", "end", "goal"))
        if not (isinstance(first, int) and isinstance(end, int)):
            first = end = -1
        told = first_goal(header, first, end)
        if told is not None and (goal is None or goal > told + GOAL_FRAMES):
            goal = told
        last = end if goal is None else goal
        entry = entry | {"goal_frame": goal, "end_frame": last}
        periods.append(Period(number, first, last, after, entry))
        if 0 <= first < last < len(replay.game_df):
            after = last
    if not periods:
        raise ReplayError("has no play in it, from kickoff to goal")
    return periods


def convert_period(
    replay: Any,
    period: Period,
    tables: Tables,
    header: ReplayHeader,
    progress: Callable[[], None],
) -> list[Frames]:
    """Play a period in RocketSim.

    Args:
        replay: the parser's `ParsedReplay`, its tables prepared.
        period: one of `find_periods`.
        tables: of the whole replay.
        header: whose goals and whose score count.
        progress: called with every frame.

    Returns:
        The period; two where the parser has taken regulation and overtime for one.

    Raises:
        PeriodError: it cannot be converted.
    """
    reason = _unusable(replay, tables, period)
    if reason is not None:
        raise PeriodError(reason)
    replay.analyzer["gameplay_periods"] = [period.entry]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about packages that rlgym-tools can do without
            from rlgym_tools.rocket_league.replays.convert import replay_to_rlgym

            return list(_collect(replay_to_rlgym(replay, "rocketsim"), tables, header, progress))
    except Exception as error:  # the converter asserts, and trips, over odd play
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise PeriodError(f"the converter cannot play it ({said})") from error


def _unusable(replay: Any, tables: Tables, period: Period) -> str | None:
    """Why a period cannot be converted, as far as the tables show."""
    rows = slice(period.first, period.last + 1)
    if not 0 <= period.first < period.last < len(tables.ticks):
        return "its frames are not in the data"
    if period.first <= period.after:
        return "it overlaps the one before"
    between = np.diff(tables.ticks[rows]) / TICKS_PER_SECOND
    if not ((between >= 0) & (between <= _MAX_GAP_SECONDS)).all():
        return "its frames do not follow one another in time"
    ball = replay.ball_df[["pos_x", "pos_y", "pos_z"]].to_numpy(np.float64)[rows]
    unknown = np.isnan(ball).any(axis=1)
    if unknown[0] or unknown.sum() > _MAX_BALL_GAP:
        return "the ball is not in its data"
    if (ball[0, :2] != 0).any():
        return "it does not begin with a kickoff"
    starts = [
        replay.player_dfs[str(player["id"])]["pos_y"].iloc[period.first]
        for player in tables.players
    ]
    sides = [player["team"] for player in tables.players]
    for player, side, y in zip(tables.players, sides, starts, strict=True):
        if (y > 0 and side == BLUE) or (y < 0 and side == ORANGE):
            return f"{player['name']} begins it on the other side"
    if tables.crowded[rows].any():
        return "somebody drives in it for whom there is no slot"
    return None


def _collect(
    frames: Any, tables: Tables, header: ReplayHeader, progress: Callable[[], None]
) -> Iterator[Frames]:
    """rlgym-tools' frames as arrays, a period at a time."""
    ids = [player["id"] for player in tables.players]
    period: list[tuple[Any, ...]] = []
    for frame in frames:
        progress()
        period.append(_frame_values(frame, ids))
        if frame.episode_seconds_remaining <= 0:  # a period counts down to its last frame
            yield _stack(period, tables, header)
            period = []
    if period:
        yield _stack(period, tables, header)


def _frame_values(frame: Any, ids: list[int]) -> tuple[Any, ...]:
    state = frame.state
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
        [np.asarray(frame.actions[uid], np.float32) for uid in ids],
    )


def _physics(body: Any) -> np.ndarray:
    return np.concatenate([body.position, body.linear_velocity, body.angular_velocity])


def _stack(period: list[tuple[Any, ...]], tables: Tables, header: ReplayHeader) -> Frames:
    columns = [np.array(values) for values in zip(*period, strict=True)]
    ticks, ball, cars, quaternion, boost, flags, victim, pads, actions = columns
    if not all(np.isfinite(values).all() for values in (ball, cars, quaternion, boost, actions)):
        raise ValueError("it has values that are no numbers")
    rows = np.searchsorted(tables.ticks, ticks - 0.5).clip(0, len(tables.ticks) - 1)
    flags[:, :, 2] = tables.gone[rows]
    first, last = int(rows[0]), int(rows[-1])
    # The players' goals are told only while the goal is celebrated, which is no play
    end = ticks[-1] + _CELEBRATION_SECONDS * TICKS_PER_SECOND
    celebrated = np.searchsorted(tables.ticks, end) - 1
    counters = tables.counters[rows]
    counters[-1] = tables.counters[max(celebrated, last)]
    score = np.tile(np.array(score_before(header, first), np.int32), (len(ticks), 1))
    scorer = goal_of(header, first, last)
    if scorer is not None:
        score[-1, scorer] += 1
    return Frames(
        ticks - ticks[0],
        ball.astype(np.float64),
        cars.astype(np.float64),
        quaternion.astype(np.float64),
        boost.clip(0, 1),
        flags.astype(np.bool_),
        victim.astype(np.int64),
        counters,
        pads.astype(np.bool_),
        score,
        actions.astype(np.float32),
        tables.demolished_by[rows],
    )
