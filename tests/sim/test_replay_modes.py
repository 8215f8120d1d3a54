"""Which games are refused by what their files say, and by which words."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucy.sim import replays
from lucy.sim.constants import TICKS_PER_SECOND
from lucy.sim.replay_field import check_play
from lucy.sim.replay_header import ReplayError, ReplayHeader
from lucy.sim.replay_modes import check_mode
from lucy.sim.replays import read_replay

from .fuzz import CUT_FRAMES, cut, sealed

SHARED = Path(os.environ.get("LUCY_SHARED", Path(__file__).parents[3] / "shared"))
REPLAYS = SHARED / "replays"
SHORT = REPLAYS / "8c121fc5-d194-4ce7-8b1a-215234372732.replay"

needs_replays = pytest.mark.skipif(
    not SHORT.exists(), reason=f"no replays at {REPLAYS}; set LUCY_SHARED to their folder"
)

SOCCAR = (
    "Archetypes.Ball.Ball_Default",
    "Archetypes.Car.Car_Default",
    "Archetypes.GameEvent.GameEvent_Soccar",
    "Archetypes.Teams.Team0",
    "GameInfo_Soccar.GameInfo.GameInfo_Soccar:GameReplicationInfoArchetype",
    "TAGame.Ball_TA:ReplicatedBallScale",
    "TAGame.Default__PRI_TA",
    "TAGame.GameEvent_Soccar_TA:SubRulesArchetype",
    "TAGame.GameEvent_Team_TA",
    "TAGame.GameInfo_Soccar_TA",
    "TAGame.MatchType_Private_TA",
    "TAGame.RumblePickups_TA:ConcurrentItemCount",  # which every game refers to
)


def header(
    *objects: str, map_name: str | None = "Stadium_P", replicated: dict[str, set[Any]] | None = None
) -> ReplayHeader:
    """What a game of soccar says of itself, and some more."""
    return ReplayHeader(
        properties={} if map_name is None else {"MapName": map_name},
        objects=(*SOCCAR, *objects),
        packages=(),
        archetypes=frozenset(),
        replicated=replicated or {},
        people=(),
        demolitions=(),
        scores=(),
    )


def settings(mutators: str) -> dict[str, set[Any]]:
    return {
        "TAGame.GameEvent_SoccarPrivate_TA:MatchSettings": {
            repr({"mutators": mutators, "joinable_by": 0, "max_players": 6, "game_name": "a'b"})
        }
    }


def refusal(header: ReplayHeader) -> str:
    with pytest.raises(ReplayError, match="Lucy takes soccar") as refused:
        check_mode(header)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("Archetypes.GameEvent.GameEvent_Basketball", "Hoops"),
        ("Archetypes.GameEvent.GameEvent_BasketballPrivate", "Hoops"),
        ("Archetypes.GameEvent.GameEvent_HockeySplitscreen", "Snow Day"),
        ("Archetypes.GameEvent.GameEvent_Items", "Rumble"),
        ("Archetypes.GameEvent.GameEvent_Breakout", "Dropshot"),
        ("Archetypes.KnockOut.GameEvent_Knockout:CarArchetype", "Knockout"),
        ("GameInfo_GodBall.GameInfo.GameInfo_GodBall:Archetype", "Heatseeker"),
        ("gameinfo_godball.GameInfo.gameinfo_godball:GameReplicationInfoArchetype", "Heatseeker"),
        ("GameInfo_FootBall.GameInfo.GameInfo_FootBall:Archetype", "Gridiron"),
        ("GameInfo_LTM_SpikeRush.GameInfo.GameInfo_LTM_SpikeRush:Archetype", "Spike Rush"),
        ("GameInfo_LTM_BeachBall.GameInfo.GameInfo_LTM_BeachBall:Archetype", "Beach Ball"),
        ("GameInfo_Tutorial.GameEvent.GameEvent_Tutorial_Aerial", "training"),
        ("Archetypes.GameEvent.GameEvent_Tutorial_FreePlay", "freeplay"),
        ("Archetypes.GameEvent.GameEvent_TrainingEditor", "training"),
        ("GameInfo_Tomorrow.GameInfo.GameInfo_Tomorrow:Archetype", "another mode"),
        ("TAGame.GameInfo_Breakout_TA", "Dropshot"),
    ],
)
def test_other_modes_are_named(name: str, mode: str) -> None:
    assert refusal(header(name)).startswith(f"is a game of {mode} ({name.partition(':')[0]});")
    appeared = header()._replace(archetypes=frozenset({name}))
    assert f"is a game of {mode}" in refusal(appeared)


@pytest.mark.parametrize(
    "name",
    [
        "Archetypes.GameEvent.GameEvent_SoccarPrivate",
        "Archetypes.GameEvent.GameEvent_SoccarSplitscreen",
        "Archetypes.GameEvent.GameEvent_SoccarLan",
        "Archetypes.GameEvent.GameEvent_Season:CarArchetype",
        "GameInfo_Season.GameInfo.GameInfo_Season:GameReplicationInfoArchetype",
    ],
)
def test_every_way_to_play_soccar_is_taken(name: str) -> None:
    assert check_mode(header(name)) == []


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("hoopsStreet_p", "The Block"),
        ("HoopsStadium_P", "Dunk House"),
        ("ShatterShot_P", "Core 707"),
        ("Wasteland_P", "Badlands"),
        ("NeoTokyo_P", "Tokyo Underpass"),
        ("ARC_P", "ARCtagon"),
        ("ThrowbackStadium_P", "Throwback Stadium"),
        ("Labs_Octagon_02_P", "Octagon"),
        ("Labs_Tomorrow_P", "Rocket Labs"),
        ("KO_Tomorrow_P", "Knockout"),
    ],
)
def test_other_fields_are_named(name: str, field: str) -> None:
    reason = refusal(header(map_name=name))
    assert reason.startswith(f"was played on another field, {field} (map {name});")


@pytest.mark.parametrize(
    "name",
    ["EuroStadium_Rainy_P", "arc_standard_p", "UtopiaStadium_Dusk_P", "cs_hw_P", "Farm_Night_P"],
)
def test_the_standard_field_is_known_in_all_its_dresses(name: str) -> None:
    assert check_mode(header(map_name=name)) == []


def test_what_is_not_known_is_taken_and_said() -> None:
    for name, note in (
        ("Moon_P", "The map Moon_P is not known: taken for the standard field."),
        (None, "The file does not say on which map it was played: taken for the standard field."),
    ):
        assert check_mode(header(map_name=name)) == [note]
    playlist = {"ProjectX.GRI_X:ReplicatedGamePlaylist": {999}}
    assert check_mode(header(replicated=playlist)) == [
        "The playlist 999 is not known: taken for soccar."
    ]
    assert check_mode(header(replicated=settings("BotsNone,Gusts"))) == [
        "The mutator Gusts is not known: taken as if it changed nothing."
    ]
    index = {"ProjectX.GRI_X:ReplicatedGameMutatorIndex": {-1, 3}}
    (note,) = check_mode(header(replicated=index))
    assert note.startswith("The playlist's mutators 3 are not known")


@pytest.mark.parametrize(
    ("playlist", "mode"), [(27, "Hoops"), (28, "Rumble"), (41, "Boomer Ball"), (21, "training")]
)
def test_playlists_of_other_modes_are_refused(playlist: int, mode: str) -> None:
    said = {"ProjectX.GRI_X:ReplicatedGamePlaylist": {playlist}}
    assert refusal(header(replicated=said)).startswith(
        f"is a game of {mode} (playlist {playlist});"
    )


@pytest.mark.parametrize("playlist", [1, 2, 3, 4, 6, 10, 11, 13, 22, 34])
def test_playlists_of_soccar_are_taken(playlist: int) -> None:
    said = {"ProjectX.GRI_X:ReplicatedGamePlaylist": {playlist}}
    assert check_mode(header(replicated=said)) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Archetypes.Ball.Ball_Puck", "was played with another ball (Ball_Puck);"),
        ("Archetypes.Ball.CubeBall", "was played with another ball (CubeBall);"),
        ("Archetypes.Ball.Ball_Beachball", "was played with another ball (Ball_Beachball);"),
        (
            "Archetypes.SpecialPickups.SpecialPickup_Tornado",
            "was played with Rumble's items (SpecialPickup_Tornado);",
        ),
        (
            "Archetypes.Mutators.SubRules.ItemsMode",
            "was played with a mutator (SubRules.ItemsMode);",
        ),
        ("Archetypes.Mutators.Mutator_Robin:Jump", "was played with a mutator (Mutator_Robin);"),
        (
            "Mutators.Mutators.Mutators.FreePlay:CarArchetype",
            "was played with a mutator (Mutators.Mutators.FreePlay);",
        ),
    ],
)
def test_balls_items_and_mutators_are_named(name: str, reason: str) -> None:
    assert refusal(header(name)).startswith(reason)


@pytest.mark.parametrize(
    ("mutators", "reason"),
    [
        ("BotsNone,UnlimitedBooster", "a mutator of boost amount (UnlimitedBooster);"),
        ("LowGravity", "a mutator of gravity (LowGravity);"),
        ("20Minutes, BigBall", "a mutator of ball size (BigBall);"),
        ("ItemsModeSlow", "a mutator of Rumble (ItemsModeSlow);"),
        ("Max3,AlwaysDemolish", "a mutator of demolition (AlwaysDemolish);"),
        ("SloMoGameSpeed", "a mutator of game speed (SloMoGameSpeed);"),
    ],
)
def test_a_private_match_s_mutators_are_named(mutators: str, reason: str) -> None:
    assert refusal(header(replicated=settings(mutators))).startswith(f"was played with {reason}")


def test_mutators_that_leave_the_play_alone_are_taken() -> None:
    chosen = "BotsNone,10Minutes,Max5,Overtime5MinutesFirstScore,3Games,RandomizedBotLoadouts,"
    assert check_mode(header(replicated=settings(chosen))) == []
    assert check_mode(header(replicated=settings(""))) == []


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("TAGame.Ball_TA:ReplicatedBallScale", {1.5}, "ball size (ReplicatedBallScale 1.5);"),
        ("TAGame.Ball_TA:ReplicatedBallGravityScale", {0.5}, "ball gravity"),
        ("TAGame.CarComponent_Boost_TA:BoostModifier", {1.0, 2.0}, "boost strength"),
        ("TAGame.CarComponent_Boost_TA:UnlimitedBoostRefCount", {1}, "boost amount"),
        ("Engine.WorldInfo:WorldGravityZ", {-325.0}, "gravity"),
    ],
)
def test_values_that_mutators_set_are_named(name: str, values: set[Any], reason: str) -> None:
    said = refusal(header(replicated={name: values}))
    assert said.startswith(f"was played with a mutator of {reason}")


def test_the_usual_values_are_taken() -> None:
    usual: dict[str, set[Any]] = {
        "TAGame.Ball_TA:ReplicatedBallScale": {1.0},
        "TAGame.Ball_TA:ReplicatedAddedCarBounceScale": {0.0},
        "TAGame.CarComponent_Boost_TA:UnlimitedBoostRefCount": {0, 1},  # in the lobby
        "Engine.WorldInfo:WorldGravityZ": {-650.0},
    }
    assert check_mode(header(replicated=usual)) == []


@needs_replays
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("4742.replay", r"is a game of Hoops \(Archetypes.GameEvent.GameEvent_Basketball\)"),
        ("RUMBLE_FULL.replay", r"is a game of Rumble \(Archetypes.GameEvent.GameEvent_Items\)"),
    ],
)
def test_real_games_of_other_modes_are_refused(file: str, reason: str) -> None:
    with pytest.raises(ReplayError, match=reason):
        read_replay(REPLAYS / file)


@needs_replays
@pytest.mark.parametrize(
    ("name", "instead", "reason"),
    [
        (b"ARC_Darc_P", b"Labs_New_P", r"another field, Rocket Labs \(map Labs_New_P\)"),
        (b"GameEvent_Soccar\0", b"GameEvent_Hockey\0", r"is a game of Snow Day"),
        (b"Ball.Ball_Default\0", b"Ball.Ball_Haunted\0", r"another ball \(Ball_Haunted\)"),
    ],
)
def test_one_word_in_a_file_is_enough(
    name: bytes, instead: bytes, reason: str, tmp_path: Path
) -> None:
    data = cut(SHORT.read_bytes(), CUT_FRAMES)
    size = int.from_bytes(data[:4], "little")
    head, body = data[8 : 8 + size], data[16 + size :]
    path = tmp_path / "other.replay"
    path.write_bytes(sealed(head.replace(name, instead)) + sealed(body.replace(name, instead)))
    with pytest.raises(ReplayError, match=reason):
        read_replay(path)


def play(frames: int = 1000, gravity: float = -650.0) -> tuple[np.ndarray, ...]:
    """A ball that is thrown up, falls and rolls: ticks, ball and score."""
    ticks = np.arange(frames) * 4.0
    ball = np.zeros((frames, 9))
    seconds = np.arange(frames) % 300 * 4.0 / TICKS_PER_SECOND
    ball[:, 5] = 1000 + gravity * seconds
    ball[:, 2] = np.clip(93.15 + 1000 * seconds + gravity * seconds**2 / 2, 93.15, 1900)
    ball[ball[:, 2] == 93.15, 5] = 0
    return ticks, ball, np.zeros((frames, 2), np.int32)


@pytest.mark.parametrize(("team", "end"), [(0, 5215.0), (1, -5215.0), (0, 4800.0)])
def test_goals_that_fall_at_the_goal_are_taken(team: int, end: float) -> None:
    ticks, ball, score = play()
    ball[-1, 1], score[-1, team] = end, 1
    check_play(ticks, ball, score)


@pytest.mark.parametrize(
    ("team", "end"), [(0, 2900.0), (1, -2900.0), (0, -5215.0), (1, 2104.0), (0, 0.0)]
)
def test_goals_that_fall_elsewhere_are_refused(team: int, end: float) -> None:
    ticks, ball, score = play()
    ball[-1, 1], score[-1, team] = end, 1
    with pytest.raises(ReplayError, match=r"a goal fell .* uu before the goal line"):
        check_play(ticks, ball, score)


@pytest.mark.parametrize("gravity", [-325.0, -1137.5])
def test_another_gravity_is_refused(gravity: float) -> None:
    check_play(*play())
    with pytest.raises(ReplayError, match="was played with another gravity"):
        check_play(*play(gravity=gravity))
    check_play(*play(60, gravity))  # too short to tell


@pytest.mark.parametrize("rest", [60.0, 150.0])
def test_another_size_of_the_ball_is_refused(rest: float) -> None:
    ticks, ball, score = play()
    ball[:, 2] += rest - 93.15
    with pytest.raises(ReplayError, match=f"it rolls at a height of {rest:.0f} uu"):
        check_play(ticks, ball, score)


def test_the_field_is_checked_period_by_period() -> None:
    ticks, ball, score = play(60)
    ball[30, 0] = 4300.0
    empty = np.zeros(0)
    period = replays._Frames(ticks, ball, *[empty] * 7, score, empty)
    with pytest.raises(ReplayError, match="the ball reached"):
        replays._check_field([period])
