"""An import's account of itself: whose goal it was, what is missing, what the header says."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .constants import BLUE, ORANGE
from .replay_header import HeaderPlayer, ReplayHeader
from .state import GameStates

GOAL_FRAMES = 30  # by so many the parts of a file disagree on when a goal fell
_COUNTERS = ("goal", "save", "shot")


def score_before(header: ReplayHeader, frame: int) -> tuple[int, int]:
    """The score with which play begins on a frame: the scoreboard's, else by the header's goals."""
    shown = header.score_at(frame)
    if shown is not None:
        return shown
    later = [goal.team for goal in header.goals if goal.frame > frame]
    blue, orange = header.score
    return max(blue - later.count(BLUE), 0), max(orange - later.count(ORANGE), 0)


def goal_of(header: ReplayHeader, first: int, last: int) -> int | None:
    """The team that play from one frame to another ends with a goal of, by the file's word."""
    for goal in reversed(header.goals):
        if first < goal.frame <= last + GOAL_FRAMES and goal.team is not None:
            return goal.team
    before, after = header.score_at(first), header.score_at(last + GOAL_FRAMES)
    if before is None or after is None:
        return None
    rises = [after[side] > before[side] for side in (BLUE, ORANGE)]
    return rises.index(True) if any(rises) else None


def first_goal(header: ReplayHeader, first: int, last: int) -> int | None:
    """The frame of the header's first goal in a period, which ends it."""
    frames = [goal.frame for goal in header.goals if first < goal.frame <= last]
    return frames[0] if frames else None


def restarts(scores: Sequence[np.ndarray]) -> list[int]:
    """Which periods begin a match anew, for the score has fallen; the first one always does.

    Args:
        scores: [F,2] of each period.
    """
    return [0] + [
        index for index in range(1, len(scores)) if (scores[index][0] < scores[index - 1][-1]).any()
    ]


def gaps(scores: Sequence[np.ndarray], begins: Sequence[int], late: int | None) -> list[str]:
    """Sentences about play that the recording does not have.

    Args:
        scores: [F,2] of each period.
        begins: the periods with which matches begin.
        late: the frame of the first kickoff, where the file begins in mid-play; else None.
    """
    said = []
    for index, score in enumerate(scores):
        start = _score(score[0])
        ended = _score(scores[index - 1][-1]) if index not in begins else "0:0"
        if index == 0 and late is not None:
            said.append(f"begins in mid-play; what is before frame {late} is not in it")
        if index in begins and start != ended:
            said.append(f"the match begins at {start}")
        elif start != ended:
            said.append(f"the score goes from {ended} to {start} in play that is not in it")
    return said


def absences(
    players: Sequence[dict[str, Any]], games: Sequence[GameStates], steps_per_second: float
) -> list[str]:
    """Sentences about who is not in all of the play: who left, came late or is not in the data."""
    absent = sum((~states.car_mask).sum(axis=0) for states in games) / steps_per_second
    return [
        f"{player['name']} is not in {seconds:.0f} s of it"
        for player, seconds in zip(players, np.atleast_1d(absent), strict=True)
        if seconds >= 1
    ]


def compare(
    header: ReplayHeader, players: Sequence[dict[str, Any]], states: GameStates
) -> list[str]:
    """Sentences about where a match differs from the file's header.

    Args:
        header: what the file says of itself.
        players: in the order of the slots.
        states: the match, or the last one where there are several.
    """
    said = []
    score = (int(states.score[-1, BLUE]), int(states.score[-1, ORANGE]))
    if score != header.score:
        said.append(f"imports as {_score(score)}, header says {_score(header.score)}")
    if not header.players:
        return said
    counters = [array[-1] for array in (states.car_goals, states.car_saves, states.car_shots)]
    rows = match_players(header.players, players)
    for slot, row in enumerate(rows):
        if row is None:
            continue
        counted = [int(counter[slot]) for counter in counters]
        expected = [row.goals, row.saves, row.shots]
        differ = [part for part in range(3) if counted[part] != expected[part]]
        if differ:
            ours = " and ".join(_count(counted[part], _COUNTERS[part]) for part in differ)
            theirs = " and ".join(str(expected[part]) for part in differ)
            said.append(f"{players[slot]['name']} has {ours}, header says {theirs}")
    missing = [row.name for row in header.players if row not in rows]
    if missing:
        said.append(f"only the header has {', '.join(name or '(no name)' for name in missing)}")
    extra = [player["name"] for player, row in zip(players, rows, strict=True) if row is None]
    if extra:
        said.append(f"the header's table does not have {', '.join(extra)}")
    return said


def match_players(
    table: Sequence[HeaderPlayer], players: Sequence[dict[str, Any]]
) -> list[HeaderPlayer | None]:
    """The header's line of each player: of the same account, else of the same name and team."""
    free = list(table)
    found: list[HeaderPlayer | None] = [None] * len(players)
    for rule in (_same_account, _same_name):
        for slot, player in enumerate(players):
            if found[slot] is None:
                row = next((row for row in free if rule(row, player)), None)
                if row is not None:
                    found[slot] = row
                    free.remove(row)
    return found


def _same_account(row: HeaderPlayer, player: dict[str, Any]) -> bool:
    return row.online_id is not None and row.online_id == player["online_id"]


def _same_name(row: HeaderPlayer, player: dict[str, Any]) -> bool:
    return row.name == player["name"] and row.team in (None, player["team"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _score(score: Sequence[int] | np.ndarray) -> str:
    return f"{score[BLUE]}:{score[ORANGE]}"
