"""What an import says of itself: the score by the file's word, and where the header differs."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucy.sim.recording import load_recording
from lucy.sim.replay_account import goal_of, match_players, score_before
from lucy.sim.replay_header import HeaderPlayer
from lucy.sim.replay_import import import_replays

from .replay_builder import BLUE, FRAMES, ORANGE, Replay, notes

REPLAYS = Path(os.environ.get("LUCY_SHARED", Path(__file__).parents[3] / "shared")) / "replays"
FIRST = 10 + FRAMES - 1  # the frame of the first goal


def mid_play(replay: Replay) -> Replay:
    """The file begins while the ball rolls, before the first kickoff."""
    replay.tables["game"].loc[: replay.start(0) - 1, "ball_has_been_hit"] = 1.0
    return replay


@pytest.mark.parametrize("shown", ["scoreboard", "header"])
def test_a_file_that_begins_in_mid_play_begins_with_its_score(shown: str, tmp_path: Path) -> None:
    scores = [(0, 0, 0), (5, 1, 0), (FIRST, 1, 1), (FIRST + 2 * FRAMES, 1, 2)]
    replay = Replay(
        [replace(BLUE, counters={"goals": {5: 1}}), ORANGE],
        goals=(1, 1),
        scores=scores if shown == "scoreboard" else [],
        header_goals=[(5, 0), (FIRST, 1), (FIRST + 2 * FRAMES, 1)],
        header_score=(1, 2),
        table=[{"Name": "Ann", "Team": 0, "OnlineID": "1", "Goals": 1}],
    )
    recording = mid_play(replay).convert(tmp_path)
    states = recording.states
    assert states.score[[0, 29, 30, -1]].tolist() == [[1, 0], [1, 0], [1, 1], [1, 2]]
    assert states.car_goals[0].tolist() == [1, 0]
    assert recording.metadata.games[0].score == (1, 2)
    assert notes(recording) == [
        "begins in mid-play; what is before frame 10 is not in it",
        "the match begins at 1:0",
        "the header's table does not have Ben",
    ]


def test_a_file_that_begins_in_mid_play_without_a_goal_says_so(tmp_path: Path) -> None:
    assert notes(mid_play(Replay()).convert(tmp_path)) == [
        "begins in mid-play; what is before frame 10 is not in it"
    ]


def test_a_file_that_ends_in_mid_play_is_compared_with_the_header(tmp_path: Path) -> None:
    recording = Replay(goals=(0, None), header_score=(1, 2)).convert(tmp_path)
    assert recording.metadata.games[0].score == (1, 0)
    assert notes(recording) == ["imports as 1:0, header says 1:2"]
    assert recording.metadata.details["header"]["score"] == [1, 2]


def test_a_match_that_is_begun_anew_is_a_game_of_its_own(tmp_path: Path) -> None:
    second = 10 + 2 * FRAMES
    ann = replace(BLUE, counters={"goals": {FIRST: 1, second - 20: 0, second + FRAMES: 1}})
    replay = Replay(
        [ann, ORANGE],
        goals=(0, 0),
        scores=[(0, 0, 0), (FIRST, 1, 0), (second - 20, 0, 0), (second + FRAMES - 1, 1, 0)],
        header_score=(1, 0),
        table=[
            {"Name": "Ann", "Team": 0, "OnlineID": "1", "Goals": 1},
            {"Name": "Ben", "Team": 1, "OnlineID": "2"},
        ],
    )
    recording = replay.convert(tmp_path)
    games = recording.metadata.games
    assert [(game.start, game.stop, game.score) for game in games] == [
        (0, 31, (1, 0)),
        (31, 62, (1, 0)),
    ]
    assert recording.states.car_goals[[30, 31, 61], 0].tolist() == [1, 0, 1]
    assert notes(recording) == ["holds 2 matches, of which the header tells of the last"]


@pytest.mark.parametrize("side", [0, 1])
def test_the_header_ends_a_period_that_the_parser_takes_for_endless(
    side: int, tmp_path: Path
) -> None:
    replay = Replay(goals=(side,))
    replay.periods[0] |= {"goal_frame": None, "end_frame": FIRST + 40}
    recording = replay.convert(tmp_path)
    assert len(recording.states.score) == 31
    assert recording.metadata.games[0].score == (1 - side, side)
    assert notes(recording) == []


def test_two_goals_in_what_the_parser_takes_for_one_period(tmp_path: Path) -> None:
    replay = Replay(goals=(0, 1))
    second = replay.periods.pop()
    replay.periods[0] |= {key: second[key] for key in ("end_frame", "goal_frame")}
    recording = replay.convert(tmp_path)
    assert recording.metadata.games[0].score == (1, 0)
    assert notes(recording) == ["imports as 1:0, header says 1:1"]


def test_differences_of_players_are_told(tmp_path: Path) -> None:
    table = [
        {"Name": "Ann", "Team": 0, "OnlineID": "1", "Goals": 2, "Shots": 1, "Saves": 1},
        {"Name": "Dan", "Team": 0, "OnlineID": "9"},
        {"Team": 1, "OnlineID": "8"},
    ]
    drivers = [replace(BLUE, counters={"goals": {FIRST: 1}, "shots": {FIRST: 1}}), ORANGE]
    recording = Replay(drivers, goals=(0,), table=table).convert(tmp_path)
    assert notes(recording) == [
        "Ann has 1 goal and 0 saves, header says 2 and 1",
        "only the header has Dan, (no name)",
        "the header's table does not have Ben",
    ]
    assert recording.metadata.details["header"]["players"][0] == {
        "name": "Ann",
        "online_id": "1",
        "team": 0,
        "goals": 2,
        "saves": 1,
        "shots": 1,
    }


@pytest.mark.parametrize(
    ("header_goals", "scores", "team"),
    [
        ([(60, 1)], [(0, 0, 0)], 1),
        ([(70, 0)], [], 0),  # a goal may be told a little later than it falls
        ([], [(0, 0, 0), (62, 0, 1)], 1),
        ([(60, 7)], [(0, 2, 2), (62, 3, 2)], 0),  # a team that is none
        ([(5, 0), (200, 0)], [(0, 0, 0), (5, 1, 0)], None),
        ([], [], None),
    ],
)
def test_whose_goal_it_was_is_the_files_word(
    header_goals: list[tuple[int, int]], scores: Any, team: int | None
) -> None:
    header = Replay(header_goals=header_goals, scores=scores).header()
    assert goal_of(header, 10, 60) == team


def test_without_a_scoreboard_the_headers_goals_count_backwards() -> None:
    goals = [(5, 0), (40, 1), (90, 0)]
    header = Replay(header_goals=goals, scores=[], header_score=(3, 1)).header()
    assert [score_before(header, frame) for frame in (0, 10, 50, 100)] == [
        (1, 0),
        (2, 0),
        (2, 1),
        (3, 1),
    ]


def test_lines_of_the_table_go_to_accounts_first_then_to_names() -> None:
    def line(name: str, account: str | None, team: int | None) -> HeaderPlayer:
        return HeaderPlayer(name, account, team, 0, 0, 0)

    def player(name: str, account: str | None, team: int) -> dict[str, Any]:
        return {"name": name, "online_id": account, "team": team}

    table = [line("A", None, 1), line("A", "5", 0), line("renamed", "6", 0), line("B", None, 0)]
    players = [player("A", "5", 0), player("C", "6", 0), player("A", None, 1), player("B", None, 1)]
    assert match_players(table, players) == [table[1], table[2], table[0], None]


@pytest.mark.skipif(not REPLAYS.exists(), reason=f"no replays at {REPLAYS}; set LUCY_SHARED")
def test_real_games_agree_with_their_headers(tmp_path: Path) -> None:
    files = [REPLAYS / "28fd.replay", REPLAYS / "OCE_RLCS_7_CARS.replay"]
    results = {result.replay.stem: result for result in import_replays(files, tmp_path)}
    late, lan = results["28fd"], results["OCE_RLCS_7_CARS"]
    assert late.summary == (
        "Wx_15 & Edelfürst niCauu 1:2 ?If & Drogings, 4,071 steps; Storm left out: gone before "
        "the play; begins in mid-play; what is before frame 1205 is not in it; the match begins "
        "at 1:0"
    )
    assert "4:2 Decka & Requeim & delusion" in lan.summary
    assert "; ThrowdownTV1, ThrowdownTV2, n0lsk1 left out: no car in the play" in lan.summary
    assert "header" not in lan.summary  # no difference
    assert late.recording is not None
    assert lan.recording is not None
    states = load_recording(late.recording).states
    assert states.score[0].tolist() == [1, 0]
    assert states.car_demos[-1].tolist() == [0, 0, 3, 0]
    assert load_recording(lan.recording).states.car_demos[-1].tolist() == [2, 1, 0, 0, 0, 0]
    for counter in (states.car_goals, states.car_saves, states.car_shots, states.car_demos):
        assert (np.diff(counter, axis=0) >= 0).all()
