"""Replays as people have them: who comes and goes, what is null, what cannot be converted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucy.sim import replay_periods, replay_tables
from lucy.sim.recording import load_recording
from lucy.sim.replay_header import Demolition, Person
from lucy.sim.replays import ReplayError

from .replay_builder import BLUE, FRAMES, ORANGE, PLAY, Driver, Replay, notes, step

CID = Driver(13, "Cid", 1, x=500.0, online_id="3")


def watcher(uid: int, name: str | None = "TV", team: bool | None = None) -> dict[str, Any]:
    return {"unique_id": str(uid), "name": name, "is_orange": team}


@pytest.mark.parametrize(
    ("watchers", "said"),
    [
        ([watcher(1)], "TV left out: no car in the play"),
        ([watcher(1), watcher(99, "Caster")], "Caster, TV left out: no car in the play"),
        ([watcher(1, None)], "(no name) left out: no car in the play"),
        ([watcher(1, "Late", True)], "Late left out: no car in the play"),  # never spawned
    ],
    ids=["one", "two", "nameless", "with a team"],
)
def test_who_has_no_car_is_left_out(
    watchers: list[dict[str, Any]], said: str, tmp_path: Path
) -> None:
    recording = Replay(watchers=watchers).convert(tmp_path)
    assert recording.metadata.games[0].players == ["Ann", "Ben"]
    assert recording.metadata.games[0].score == (1, 1)
    assert notes(recording) == [said]


def test_who_leaves_before_the_first_kickoff_is_left_out(tmp_path: Path) -> None:
    recording = Replay([BLUE, ORANGE, replace(CID, gone=[(5, 10**6)])]).convert(tmp_path)
    assert recording.metadata.games[0].players == ["Ann", "Ben"]
    assert recording.metadata.mode == "1v1"
    assert notes(recording) == ["Cid left out: gone before the play"]


@pytest.mark.parametrize("told", ["by the file", "by kickoffs"])
def test_teams_that_the_parser_does_not_know(told: str, tmp_path: Path) -> None:
    drivers = [replace(BLUE, told_team=False), replace(ORANGE, told_team=False)]
    replay = Replay(drivers, people=None if told == "by the file" else [])
    recording = replay.convert(tmp_path)
    assert recording.states.car_team.tolist() == [0, 1]
    assert recording.metadata.games[0].players == ["Ann", "Ben"]
    assert notes(recording) == []


def test_null_is_no_value(tmp_path: Path) -> None:
    replay = Replay([replace(BLUE, name=None, online_id=None), ORANGE])
    replay.tables["player_12"]["boost_amount"] = np.nan
    ball, hit = replay.tables["ball"], replay.start(0) + PLAY
    ball.loc[hit - 10 : hit - 8, ["pos_x", "vel_x"]] = 100.0
    ball.loc[hit - 7 : hit - 1, ["pos_x", "is_sleeping"]] = 110.0, 1.0
    ball.loc[hit - 7 : hit - 1, ["vel_x", "vel_y", "vel_z"]] = np.nan
    states, metadata = replay.convert(tmp_path)
    assert metadata.games[0].players == ["(no name)", "Ben"]
    assert [metadata.details[key] for key in ("id", "title", "date", "map")] == [None] * 4
    np.testing.assert_allclose(states.car_boost[0], [0.4, 1 / 3])  # what everyone begins with
    assert states.ball_linear_velocity[PLAY // 2 - 4, 0] == 100
    assert states.ball_linear_velocity[PLAY // 2 - 1].tolist() == [0, 0, 0]
    assert states.car_goals.max() == 0  # that are told of nobody


def test_a_car_that_stands_still_is_there(tmp_path: Path) -> None:
    """The file gives no velocity for a body at rest; a wreck has no rotation either."""
    replay = Replay()
    table = replay.tables["player_12"]
    table["is_sleeping"] = 1.0
    table[["vel_x", "vel_y", "vel_z", "ang_vel_x", "ang_vel_y", "ang_vel_z"]] = np.nan
    states = replay.convert(tmp_path).states
    assert states.car_mask.all()
    assert not states.car_is_demoed.any()


def test_a_ball_at_rest_in_mid_play_is_no_goal(tmp_path: Path) -> None:
    replay = Replay(goals=(0,))
    rest = slice(replay.start(0) + 5, replay.start(0) + PLAY - 1)
    replay.tables["ball"].loc[rest, "is_sleeping"] = 1.0
    replay.tables["ball"].loc[rest, ["pos_x", "pos_y"]] = 3.0
    recording = replay.convert(tmp_path)
    assert len(recording.states.score) == 31
    assert notes(recording) == []


@pytest.mark.parametrize(
    ("gone", "absent"),
    [
        ((40, 10**6), slice(15, 62)),  # leaves in the first period, for good
        ((0, 40), slice(0, 15)),  # comes late
        ((30, 50), slice(10, 20)),  # comes back with the same account
        ((0, 10 + 2 * FRAMES), slice(0, 31)),  # comes for the second period
    ],
    ids=["leaves", "late", "back", "next"],
)
def test_who_is_gone_is_absent_and_not_demolished(
    gone: tuple[int, int], absent: slice, tmp_path: Path
) -> None:
    """Though Ben stands beside: rlgym-tools takes the nearest car for an attacker."""
    cid = replace(CID, x=100.0, gone=[gone], counters={"shots": {12: 2}})
    replay = Replay([BLUE, ORANGE, cid])
    recording = replay.convert(tmp_path)
    states = recording.states
    expected = np.ones(62, np.bool_)
    expected[absent] = False
    assert states.car_mask[:, 2].tolist() == expected.tolist()
    assert states.car_mask[:, :2].all()
    assert not states.car_is_demoed.any()
    assert not states.car_demos.any()
    assert not states.car_position[~states.car_mask].any()
    assert (np.diff(states.car_shots, axis=0) >= 0).all()  # somebody back has scored nothing new
    seconds = (~expected).sum() / 15
    said = [f"Cid is not in {seconds:.0f} s of it"] if seconds >= 1 else []
    assert notes(recording) == said


def test_who_comes_back_as_somebody_else_has_a_slot_of_his_own(tmp_path: Path) -> None:
    first = replace(CID, gone=[(40, 10**6)], counters={"shots": {12: 1}})
    again = replace(CID, uid=14, gone=[(0, 60)], online_id="4", counters={"shots": {140: 1}})
    recording = Replay([BLUE, ORANGE, first, again]).convert(tmp_path)
    assert recording.metadata.games[0].players == ["Ann", "Ben", "Cid", "Cid"]
    assert recording.metadata.mode == "1v2"
    mask = recording.states.car_mask
    assert (mask[:, 2] & mask[:, 3]).sum() == 0
    assert recording.states.car_shots[-1].tolist() == [0, 0, 1, 1]


def test_counters_that_begin_anew_go_on(tmp_path: Path) -> None:
    """As they do where somebody comes back, and the game has forgotten him."""
    cid = replace(CID, gone=[(30, 50)], counters={"saves": {12: 2, 50: 0, 140: 1}})
    states = Replay([BLUE, ORANGE, cid]).convert(tmp_path).states
    assert states.car_saves[:, 2].tolist()[-1] == 3
    assert (np.diff(states.car_saves, axis=0) >= 0).all()


def test_players_of_one_name_stay_apart(tmp_path: Path) -> None:
    row = {"Name": "Ann", "Team": 0, "Saves": 0}
    drivers = [
        replace(BLUE, counters={"shots": {12: 1}}),
        Driver(15, "Ann", 0, x=300.0, online_id="5", counters={"shots": {12: 3}}),
        replace(ORANGE, name="Ann"),
    ]
    table = [row | {"OnlineID": "5", "Shots": 3}, row | {"OnlineID": "1", "Shots": 1}]
    table.append({"Name": "Ann", "OnlineID": "0", "Team": 1})  # as of Epic's players
    recording = Replay(drivers, table=table).convert(tmp_path)
    assert recording.metadata.games[0].players == ["Ann", "Ann", "Ann"]
    assert recording.states.car_shots[-1].tolist() == [1, 3, 0]
    assert notes(recording) == []


@pytest.mark.parametrize("wreck", [False, True], ids=["the car is gone", "its wreck stays"])
def test_a_demolition_is_the_one_of_the_file(wreck: bool, tmp_path: Path) -> None:
    """Ann's, from afar; Ben is nearer, and in his team."""
    at, back = 30, 60
    cid = replace(CID, x=100.0, gone=[] if wreck else [(at, back)])
    record = Demolition(at, CID.person, BLUE.person, back)
    replay = Replay([BLUE, ORANGE, cid], demolitions=[record], goals=(0,))
    recording = replay.convert(tmp_path)
    states = recording.states
    first, last = step(replay, 0, at), step(replay, 0, back)
    assert states.car_demos[-1].tolist() == [1, 0, 0]
    assert np.flatnonzero(np.diff(states.car_demos[:, 0])).tolist() == [first - 1]
    assert np.flatnonzero(states.car_is_demoed[:, 2]).tolist() == list(range(first, last))
    assert states.car_mask.all()
    assert notes(recording) == []


def test_demolitions_go_on_counting(tmp_path: Path) -> None:
    second = 10 + 2 * FRAMES
    records = [
        Demolition(50, ORANGE.person, BLUE.person, None),
        Demolition(second - 20, ORANGE.person, BLUE.person, None),  # of a celebration
        Demolition(second + 30, ORANGE.person, BLUE.person, None),
    ]
    states = Replay(demolitions=records).convert(tmp_path).states
    assert states.car_demos[30].tolist() == [1, 0]
    assert states.car_demos[-1].tolist() == [2, 0]


def test_who_leaves_as_a_wreck_is_absent_after_it(tmp_path: Path) -> None:
    replay = Replay([BLUE, ORANGE, replace(CID, gone=[(20, 10**6)])], goals=(None,))
    longer = Replay([BLUE, ORANGE, replace(CID, gone=[(20, 10**6)])], goals=(None, None, None))
    longer.periods[:] = [longer.periods[0] | {"end_frame": longer.start(2)}]
    record = Demolition(20, CID.person, ORANGE.person, None)
    for game, there in ((replay, 31), (longer, 5 + 50)):  # five steps, then 3.3 seconds
        game.demolitions.append(record)
        states = game.convert(tmp_path).states
        assert states.car_mask[:, 2].sum() == there
        assert states.car_demos[-1].tolist() == [0, 1, 0]


def test_an_attacker_that_the_file_does_not_name_is_guessed(tmp_path: Path) -> None:
    cid = replace(CID, x=100.0, gone=[(30, 60)])
    stranger = Person("Dan", "77", 0, bot=False, drove=False)
    for attacker in (None, stranger):
        record = Demolition(30, CID.person, attacker, 60)
        recording = Replay([BLUE, ORANGE, cid], demolitions=[record]).convert(tmp_path)
        assert recording.states.car_demos[-1].tolist() == [0, 1, 0]  # the nearest
        assert notes(recording) == [
            "who demolished a car is RocketSim's guess where the file does not say"
        ]


def shift_time(replay: Replay) -> None:
    replay.tables["game"].loc[replay.start(1) + 20 :, "time"] += 200


def turn_time(replay: Replay) -> None:
    replay.tables["game"].loc[replay.start(1) + 20 : replay.start(1) + 30, "time"] = 6.0


def lose_time(replay: Replay) -> None:
    replay.tables["game"].loc[replay.start(1) + 20, "time"] = np.nan


def lose_ball(replay: Replay) -> None:
    rows = slice(replay.start(1) + 20, replay.start(1) + 50)
    replay.tables["ball"].loc[rows, ["pos_x", "pos_y", "pos_z"]] = np.nan


def start_without_ball(replay: Replay) -> None:
    replay.tables["ball"].loc[replay.start(1), ["pos_x", "pos_y", "pos_z"]] = np.nan


def start_in_play(replay: Replay) -> None:
    replay.tables["ball"].loc[replay.start(1), "pos_y"] = 700.0


def overlap(replay: Replay) -> None:
    replay.periods[1]["start_frame"] = replay.start(0) + 3


def beyond(replay: Replay) -> None:
    replay.periods[1] |= {"start_frame": replay.frames - 1, "goal_frame": replay.frames + 5}


def empty(replay: Replay) -> None:
    replay.periods[1] |= {"goal_frame": replay.start(1)}


def nonsense(replay: Replay) -> None:
    replay.periods[1] = {"start_frame": None, "end_frame": None, "goal_frame": None}


def change_sides(replay: Replay) -> None:
    rows = slice(replay.start(1), replay.start(2) - 1)
    replay.tables["player_12"].loc[rows, "pos_y"] = -3840.0


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (shift_time, "its frames do not follow one another in time"),
        (turn_time, "its frames do not follow one another in time"),
        (lose_time, "its frames do not follow one another in time"),
        (lose_ball, "the ball is not in its data"),
        (start_without_ball, "the ball is not in its data"),
        (start_in_play, "it does not begin with a kickoff"),
        (overlap, "it overlaps the one before"),
        (beyond, "its frames are not in the data"),
        (empty, "its frames are not in the data"),
        (nonsense, "its frames are not in the data"),
        (change_sides, "Ben begins it on the other side"),
    ],
)
def test_a_period_that_cannot_be_converted_costs_itself(
    damage: Any, reason: str, tmp_path: Path
) -> None:
    replay = Replay(goals=(0, 1, 0))
    damage(replay)
    recording = replay.convert(tmp_path)
    assert recording.metadata.games[0].score == (2, 1)
    assert len(recording.states.score) == 62
    first, second = notes(recording)
    assert first.startswith("without period 2 (frames ")
    assert first.endswith(f"): {reason}")
    assert second == "the score goes from 1:0 to 1:1 in play that is not in it"


def test_a_period_over_which_the_converter_trips_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlgym_tools.rocket_league.replays import convert

    real = convert.replay_to_rlgym

    def trips(replay: Any, interpolation: Any) -> Any:
        if replay.analyzer["gameplay_periods"][0]["start_frame"] < 2 * FRAMES:
            yield next(iter(real(replay, interpolation)))
            raise AssertionError
        yield from real(replay, interpolation)

    monkeypatch.setattr(convert, "replay_to_rlgym", trips)
    recording = Replay().convert(tmp_path)
    assert recording.states.score[0].tolist() == [1, 0]
    assert notes(recording) == [
        "without period 1 (frames 10 to 70): the converter cannot play it (AssertionError)",
        "the match begins at 1:0",
    ]
    with pytest.raises(ReplayError, match=r"has no play that can be converted; without period 1"):
        Replay(goals=(0,)).convert(tmp_path)


def test_values_that_are_no_numbers_cost_their_period(tmp_path: Path) -> None:
    replay = Replay()
    replay.tables["ball"].loc[replay.start(0) + 30, "vel_x"] = np.inf
    recording = replay.convert(tmp_path)
    assert len(recording.states.score) == 31
    assert "it has values that are no numbers" in notes(recording)[0]


def test_a_file_without_periods_has_no_play(tmp_path: Path) -> None:
    replay = Replay()
    replay.periods.clear()
    with pytest.raises(ReplayError, match="has no play in it, from kickoff to goal"):
        replay.convert(tmp_path)


@pytest.mark.parametrize(
    ("drivers", "reason"),
    [
        ([BLUE], "has 1 players in its play, expected 2 to 8"),
        ([BLUE, replace(BLUE, uid=20, x=300.0)], "has nobody on one of the teams"),
    ],
)
def test_only_a_game_of_two_teams_is_one(
    drivers: list[Driver], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ReplayError, match=reason):
        Replay(drivers).convert(tmp_path)


def test_more_cars_than_slots_cost_the_periods_in_which_they_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_tables, "MAX_CARS", 2)
    cid = replace(CID, gone=[(0, 10 + 2 * FRAMES)])
    recording = Replay([BLUE, ORANGE, cid]).convert(tmp_path)
    assert recording.metadata.games[0].players == ["Ann", "Ben"]
    assert recording.metadata.games[0].score == (1, 0)
    assert notes(recording) == [
        "Cid left out: no slot for another car",
        "without period 2 (frames 132 to 192): somebody drives in it for whom there is no slot",
        "imports as 1:0, header says 1:1",
    ]


def test_who_drives_without_being_in_the_data_is_named(tmp_path: Path) -> None:
    guest = Person("Guest", None, 0, bot=False, drove=True)
    people = [BLUE.person, ORANGE.person, guest]
    assert notes(Replay(people=people).convert(tmp_path)) == [
        "Guest left out: not in the parser's data"
    ]


def test_overtime_in_the_period_of_regulation_is_a_period_of_its_own(tmp_path: Path) -> None:
    replay = Replay(goals=(None, None, 0))
    goal = replay.start(2) + FRAMES - 1
    replay.periods[:] = [replay.periods[0] | {"end_frame": goal + 30, "goal_frame": goal}]
    replay.tables["game"].loc[replay.start(2) - 121 :, "is_overtime"] = 1.0
    recording = replay.convert(tmp_path)
    states = recording.states
    assert np.flatnonzero(states.episode_start).tolist() == [0, len(states.score) - 31]
    assert states.score[[0, -2, -1], 0].tolist() == [0, 0, 1]
    assert notes(recording) == []


def test_progress_is_told_of_every_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = replay_periods.convert_period

    def counted(*arguments: Any) -> Any:
        return real(*arguments[:-1], lambda: seen.append(1))

    monkeypatch.setattr("lucy.sim.replays.convert_period", counted)
    Replay().convert(tmp_path)
    assert len(seen) == 2 * FRAMES


def test_names_that_are_no_text_are_kept_as_escapes(tmp_path: Path) -> None:
    """As of files on Linux, or what the game cuts an emoji's half of."""
    odd, shown = "caf\udce9 \ud83d", r"caf\udce9 \ud83d"
    replay = Replay(
        [replace(BLUE, name=odd, online_id=None), ORANGE],
        watchers=[watcher(1, odd)],
        table=[{"Name": odd, "Team": 0}, {"Name": "Ben", "OnlineID": "2"}],
    )
    replay.people = [replay.drivers[0].person._replace(name=shown), ORANGE.person]
    recording = replay.convert(tmp_path, odd)
    assert load_recording(tmp_path / "a.npz").metadata == recording.metadata
    assert recording.metadata.games[0].players == [shown, "Ben"]
    assert recording.metadata.details["file"] == shown
    assert recording.metadata.details["title"] == shown
    assert recording.metadata.details["header"]["players"][0]["name"] == shown
    assert notes(recording) == [f"{shown} left out: no car in the play"]
