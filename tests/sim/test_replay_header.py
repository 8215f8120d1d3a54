"""What a .replay file says of itself: header, people, score and demolitions."""

import os
from pathlib import Path
from typing import Any

import pytest
import subtr_actor

from lucy.sim.replay_header import Person, ReplayError, ReplayHeader, read_header

REPLAYS = Path(os.environ.get("LUCY_SHARED", Path(__file__).parents[3] / "shared")) / "replays"
OBJECTS = [
    "Archetypes.Teams.Team0",
    "Archetypes.Teams.Team1",
    "TAGame.Default__PRI_TA",
    "Archetypes.Car.Car_Default",
    "Archetypes.GameEvent.GameEvent_Soccar",
    "TAGame.MatchType_Private_TA",
    "Engine.PlayerReplicationInfo:PlayerName",
    "Engine.PlayerReplicationInfo:UniqueId",
    "Engine.PlayerReplicationInfo:Team",
    "Engine.PlayerReplicationInfo:bBot",
    "Engine.Pawn:PlayerReplicationInfo",
    "Engine.TeamInfo:Score",
    "TAGame.Car_TA:ReplicatedDemolish",
    "TAGame.GameEvent_TA:MatchTypeClass",
    "TAGame.CarComponent_Boost_TA:RechargeRate",
    "TAGame.Vehicle_TA:ReplicatedThrottle",
]
BLUE, ORANGE, EVENT, ANN, BEN, WATCHER, ANNS, BENS = range(8)  # actors
CAST = {
    BLUE: "Archetypes.Teams.Team0",
    ORANGE: "Archetypes.Teams.Team1",
    EVENT: "Archetypes.GameEvent.GameEvent_Soccar",
    ANN: "TAGame.Default__PRI_TA",
    BEN: "TAGame.Default__PRI_TA",
    WATCHER: "TAGame.Default__PRI_TA",
    ANNS: "Archetypes.Car.Car_Default",
    BENS: "Archetypes.Car.Car_Default",
}


def refers(actor: int, active: bool = True) -> dict[str, Any]:
    return {"ActiveActor": {"active": active, "actor": actor}}


def frame(
    *updates: tuple[int, str, Any], new: dict[int, str] | None = None, deleted: tuple[int, ...] = ()
) -> dict[str, Any]:
    return {
        "new_actors": [
            {"actor_id": actor, "object_id": OBJECTS.index(name)}
            for actor, name in (new or {}).items()
        ],
        "deleted_actors": list(deleted),
        "updated_actors": [
            {"actor_id": actor, "object_id": OBJECTS.index(name), "attribute": value}
            for actor, name, value in updates
        ],
    }


def told() -> list[tuple[int, str, Any]]:
    return [
        (ANN, "Engine.PlayerReplicationInfo:PlayerName", {"String": "Ann"}),
        (ANN, "Engine.PlayerReplicationInfo:Team", refers(BLUE)),
        (
            ANN,
            "Engine.PlayerReplicationInfo:UniqueId",
            {"UniqueId": {"remote_id": {"PlayStation": {"name": "Ann", "online_id": "7"}}}},
        ),
        (BEN, "Engine.PlayerReplicationInfo:PlayerName", {"String": "Ben"}),
        (BEN, "Engine.PlayerReplicationInfo:Team", refers(ORANGE)),
        (BEN, "Engine.PlayerReplicationInfo:bBot", {"Boolean": True}),
        (WATCHER, "Engine.PlayerReplicationInfo:PlayerName", {"String": "TV"}),
        (ANNS, "Engine.Pawn:PlayerReplicationInfo", refers(ANN)),
        (BENS, "Engine.Pawn:PlayerReplicationInfo", refers(BEN)),
        (EVENT, "TAGame.GameEvent_TA:MatchTypeClass", refers(5, active=False)),
    ]


def demolish(victim: int, attacker: int, kind: str = "Demolish", speed: float = 1.0) -> Any:
    value = {"attacker": attacker, "victim": victim, "attacker_flag": attacker >= 0, "v": speed}
    return (victim, "TAGame.Car_TA:ReplicatedDemolish", {kind: value})


def header(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *frames: dict[str, Any],
    **properties: Any,
) -> ReplayHeader:
    content = {
        "objects": OBJECTS,
        "packages": ["GameInfo_Soccar_SF.upk"],
        "properties": properties,
        "network_frames": {"frames": list(frames)},
    }
    monkeypatch.setattr(subtr_actor, "parse_replay", lambda data: content)
    path = tmp_path / "a.replay"
    path.touch()
    return read_header(path)


ANN_SEEN = Person("Ann", "7", 0, bot=False, drove=True)
BEN_SEEN = Person("Ben", None, 1, bot=True, drove=True)


def test_people_are_told_apart_by_what_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = frame(*told(), new=CAST)
    read = header(tmp_path, monkeypatch, whole, frame(), whole)  # told twice, as keyframes do
    assert read.people == (ANN_SEEN, BEN_SEEN, Person("TV", None, None, bot=False, drove=False))
    assert read.replicated == {
        "TAGame.GameEvent_TA:MatchTypeClass": {"TAGame.MatchType_Private_TA"}
    }
    assert "Archetypes.GameEvent.GameEvent_Soccar" in read.archetypes
    assert read.scores == ((0, 0, 0),)


def test_mutators_of_cars_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = (20, "TAGame.CarComponent_Boost_TA:RechargeRate", {"Float": 10.0})
    read = header(tmp_path, monkeypatch, frame(rate, (20, OBJECTS[-1], {"Byte": 3})))
    assert read.replicated == {"TAGame.CarComponent_Boost_TA:RechargeRate": {10.0}}


def test_the_score_is_the_scoreboards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not known before the teams are, and falls where a match is restarted."""
    read = header(
        tmp_path,
        monkeypatch,
        frame(),
        frame((ORANGE, "Engine.TeamInfo:Score", {"Int": 2}), new=CAST),
        frame((BLUE, "Engine.TeamInfo:Score", {"Int": 1})),
        frame(deleted=(BLUE, ORANGE)),
        frame(new={ORANGE: CAST[BLUE], BLUE: CAST[ORANGE]}),
    )
    assert read.scores == ((1, 0, 2), (2, 1, 2), (4, 0, 0))
    assert [read.score_at(frame) for frame in range(6)] == [
        None,
        (0, 2),
        (1, 2),
        (1, 2),
        (0, 0),
        (0, 0),
    ]


@pytest.mark.parametrize("kind", ["Demolish", "DemolishFx"])
def test_a_demolition_is_told_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    respawned = 9
    read = header(
        tmp_path,
        monkeypatch,
        frame(*told(), new=CAST),
        frame(demolish(BENS, ANNS, kind)),
        frame(demolish(BENS, ANNS, kind)),  # again in a keyframe
        frame(
            (respawned, "Engine.Pawn:PlayerReplicationInfo", refers(BEN)),
            new={respawned: CAST[BENS]},
            deleted=(BENS,),
        ),
        frame(demolish(respawned, ANNS, kind, speed=2.0)),
    )
    first, second = read.demolitions
    assert first == (1, BEN_SEEN, ANN_SEEN, 3)
    assert second == (4, BEN_SEEN, ANN_SEEN, None)


def test_newer_records_refer_to_actors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"attacker": refers(ANNS)["ActiveActor"], "victim": refers(BENS)["ActiveActor"]}
    record = (BENS, "TAGame.Car_TA:ReplicatedDemolish", {"DemolishExtended": value})
    read = header(tmp_path, monkeypatch, frame(*told(), new=CAST), frame(record))
    assert read.demolitions == ((1, BEN_SEEN, ANN_SEEN, None),)


@pytest.mark.parametrize("attacker", [-1, BENS], ids=["nobody", "itself"])
def test_a_car_that_nobody_hit_was_not_demolished(
    attacker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The game removes the car of a player who leaves in the same way."""
    left = frame(
        demolish(BENS, attacker),
        (BENS, "Engine.Pawn:PlayerReplicationInfo", refers(-1, active=False)),
    )
    read = header(tmp_path, monkeypatch, frame(*told(), new=CAST), left)
    assert read.demolitions == ()


def test_what_was_before_the_recording_is_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = header(tmp_path, monkeypatch, frame(*told(), demolish(BENS, ANNS), new=CAST))
    assert read.demolitions == ()


def test_an_attacker_whom_nobody_knows_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = header(tmp_path, monkeypatch, frame(*told(), new=CAST), frame(demolish(BENS, 99)))
    assert read.demolitions == ((1, BEN_SEEN, None, None),)


def test_the_headers_table_takes_absent_as_the_game_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = header(
        tmp_path,
        monkeypatch,
        Team1Score=3,
        Goals=[
            {"frame": 9, "PlayerTeam": 1, "PlayerName": "Ben"},
            {"frame": 4, "PlayerTeam": 7, "PlayerName": ""},
            {"PlayerName": "nowhere"},
        ],
        PlayerStats=[{"Name": "Ann", "OnlineID": "0", "Team": 0, "Shots": 2}, {"Goals": None}],
    )
    assert read.score == (0, 3)
    assert read.goals == [(4, None, None), (9, 1, "Ben")]
    assert read.players == [("Ann", None, 0, 0, 0, 2), (None, None, None, 0, 0, 0)]


def test_a_panic_of_the_parser_is_an_error_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):
        pass

    def parse(data: bytes) -> None:
        raise {b"": PanicException, b"s": KeyboardInterrupt}[data]("index\nout of bounds")

    monkeypatch.setattr(subtr_actor, "parse_replay", parse)
    path = tmp_path / "a.replay"
    path.touch()
    with pytest.raises(ReplayError, match=r"the parser cannot read it \(index out of bounds\)"):
        read_header(path)
    path.write_bytes(b"s")
    with pytest.raises(KeyboardInterrupt):
        read_header(path)
    with pytest.raises(ReplayError, match=r"cannot be read \(No such file"):
        read_header(tmp_path / "missing.replay")


@pytest.mark.skipif(not REPLAYS.exists(), reason=f"no replays at {REPLAYS}; set LUCY_SHARED")
def test_a_real_file_tells_of_spectators_and_demolitions() -> None:
    read = read_header(REPLAYS / "OCE_RLCS_7_CARS.replay")
    watching = [person.name for person in read.people if person.team is None]
    assert watching == ["n0lsk1", "ThrowdownTV1", "ThrowdownTV2"]
    demolitions = [
        (demolition.frame, demolition.victim.name, demolition.attacker and demolition.attacker.name)
        for demolition in read.demolitions
    ]
    assert demolitions == [
        (211, "delusion", "Express"),
        (4295, "Requeim", "shadey"),
        (8702, "Requeim", "Express"),
    ]
    assert read.score == read.score_at(10**6) == (4, 2)
    assert [goal.frame for goal in read.goals] == [950, 4383, 5993, 7227, 9017, 9994]
