"""Which games are soccar on the standard field, by what a .replay file says of itself.

The names are the game's own: of maps, game events, balls, playlists and mutators.
"""

import ast
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from .replay_header import ReplayError, ReplayHeader

_TAKES = "Lucy takes soccar with the game's own rules on the standard field"

# One field in many dresses; a map that is in neither table is taken with a warning
_STANDARD_MAPS = frozenset(
    {
        "arc_darc_p",
        "arc_standard_p",
        "bb_p",
        "beach_night_grs_p",
        "beach_night_p",
        "beach_p",
        "chn_stadium_day_p",
        "chn_stadium_p",
        "cs_day_p",
        "cs_hw_p",
        "cs_p",
        "eurostadium_dusk_p",
        "eurostadium_night_p",
        "eurostadium_p",
        "eurostadium_rainy_p",
        "eurostadium_snow_p",
        "eurostadium_snownight_p",
        "farm_grs_p",
        "farm_hw_p",
        "farm_night_p",
        "farm_p",
        "farm_upsidedown_p",
        "ff_dusk_p",
        "fni_stadium_p",
        "haunted_trainstation_p",
        "mall_day_p",
        "music_p",
        "neotokyo_arcade_p",
        "neotokyo_hax_p",
        "neotokyo_standard_p",
        "neotokyo_toon_p",
        "outlaw_oasis_p",
        "outlaw_p",
        "paname_dusk_p",
        "park_bman_p",
        "park_night_p",
        "park_p",
        "park_rainy_p",
        "park_snowy_p",
        "stadium_10a_p",
        "stadium_day_p",
        "stadium_foggy_p",
        "stadium_p",
        "stadium_race_day_p",
        "stadium_winter_p",
        "street_p",
        "swoosh_p",
        "trainstation_dawn_p",
        "trainstation_night_p",
        "trainstation_p",
        "trainstation_spooky_p",
        "uf_day_p",
        "uf_night_p",
        "underwater_grs_p",
        "underwater_p",
        "utopiastadium_dusk_p",
        "utopiastadium_lux_p",
        "utopiastadium_p",
        "utopiastadium_snow_p",
        "wasteland_grs_p",
        "wasteland_night_s_p",
        "wasteland_s_p",
        "woods_forest_p",
        "woods_night_p",
        "woods_p",
    }
)
_OTHER_MAPS = {
    "arc_p": "ARCtagon",
    "beachvolley": "Salty Shores (Volley)",
    "hoopsstadium_p": "Dunk House",
    "hoopsstreet_art_p": "The Block",
    "hoopsstreet_p": "The Block",
    "ko_calavera_p": "Calavera",
    "ko_carbon_p": "Carbon",
    "ko_quadron_p": "Quadron",
    "labs_basin_p": "Basin",
    "labs_circlepillars_p": "Pillars",
    "labs_corridor_p": "Corridor",
    "labs_cosmic_p": "Cosmic",
    "labs_cosmic_v4_p": "Cosmic",
    "labs_doublegoal_p": "Double Goal",
    "labs_doublegoal_v2_p": "Double Goal",
    "labs_galleon_mast_p": "Galleon Retro",
    "labs_galleon_p": "Galleon",
    "labs_holyfield_p": "Loophole",
    "labs_octagon_02_p": "Octagon",
    "labs_octagon_p": "Octagon",
    "labs_pillarglass_p": "Hourglass",
    "labs_pillarheat_p": "Barricade",
    "labs_pillarwings_p": "Colossus",
    "labs_underpass_p": "Underpass",
    "labs_underpass_v0_p": "Underpass",
    "labs_utopia_p": "Utopia Retro",
    "neotokyo_p": "Tokyo Underpass",
    "shattershot_p": "Core 707",
    "test_volleyball": "Volleyball",
    "throwbackhockey_p": "Throwback Stadium (Snowy)",
    "throwbackstadium_p": "Throwback Stadium",
    "wasteland_night_p": "Badlands (Night)",
    "wasteland_p": "Badlands",
}
_OTHER_MAP_KINDS = {"labs_": "Rocket Labs", "ko_": "Knockout", "hoops": "Hoops"}

# Game events and game infos, without what says who may join: GameEvent_BasketballPrivate
_GAME = re.compile(
    r"(?:^|\.)Game(?:Event|Info)_(\w+?)(?:Private|Splitscreen|Lan)?(?:_TA)?(?=[.:]|$)",
    re.IGNORECASE,
)
_SOCCAR_GAMES = {"soccar", "season"}
_OTHER_GAMES = {
    "basketball": "Hoops",
    "bladeball": "Blade Ball",
    "breakout": "Dropshot",
    "football": "Gridiron",
    "fte": "the first steps of a new player",
    "godball": "Heatseeker",
    "haunted": "Ghost Hunt",
    "heatseekerterritory": "Split Shot Heatseeker",
    "hockey": "Snow Day",
    "hops": "Jump Jam",
    "items": "Rumble",
    "knockout": "Knockout",
    "ltm_aprilfool": "an April Fools' mode",
    "ltm_beachball": "Beach Ball",
    "ltm_dropshotrumble": "Dropshot Rumble",
    "ltm_speeddemon": "Speed Demon",
    "ltm_spikerush": "Spike Rush",
    "ltm_supercube": "Super Cube",
    "magnusfutball": "Nike FC Showdown",
    "possession": "Possession",
    "rugby": "Spike Rush",
    "snowdayterritory": "Split Shot Snow Day",
    "spikedrop": "Spike Drop",
    "territory": "Split Shot",
    "trainingeditor": "training",
    "tutorial": "training",
    "tutorial_freeplay": "freeplay",
}

_SOCCAR_PLAYLISTS = {0, 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 22, 24, 26, 34}
_OTHER_PLAYLISTS = {
    9: "training",
    15: "Snow Day",
    16: "Rocket Labs",
    17: "Hoops",
    18: "Rumble",
    20: "training",
    21: "training",
    23: "Dropshot",
    27: "Hoops",
    28: "Rumble",
    29: "Dropshot",
    30: "Snow Day",
    31: "Ghost Hunt",
    32: "Beach Ball",
    33: "Spike Rush",
    35: "Rocket Labs",
    37: "Dropshot Rumble",
    38: "Heatseeker",
    41: "Boomer Ball",
    43: "Heatseeker",
    44: "Winter Breakaway",
    46: "Gridiron",
    47: "Super Cube",
    48: "Tactical Rumble",
    49: "Spring Loaded",
    50: "Speed Demon",
    52: "Gotham City Rumble",
    54: "Knockout",
    62: "Nike FC Showdown",
    64: "Haunted Heatseeker",
    65: "Haunted Heatseeker",
    66: "Heatseeker Ricochet",
    67: "Spooky Cube",
    68: "G-Force Frenzy",
    70: "Dropshot Rumble",
    72: "Split Shot",
    73: "freeplay",
    74: "Split Shot",
    75: "Split Shot Heatseeker",
    76: "Split Shot Heatseeker",
    77: "Non-Standard Soccar",
    79: "Split Shot Snow Day",
    81: "Spike Drop",
    82: "Pizza Party",
    83: "Push The Puck",
    84: "Possession",
    86: "FC Showdown",
    87: "Sacrifice",
    88: "Jump Jam",
}

_STANDARD_BALL = "ball_default"

# A private match's mutators: these change how long it lasts, who plays and what is heard
_HARMLESS_MUTATORS = re.compile(
    r"(Default|Bots\w*|\d+Minutes|UnlimitedTime|Max\d+|UnlimitedScore|Overtime\w+|MaxTime\w+"
    r"|\d+Games|UnlimitedGames|PlayerCount\w+|RandomizedBotLoadouts|HauntedAudio|TA0|)",
    re.IGNORECASE,
)
_MUTATORS = {
    "game speed": "SloMoGameSpeed SloMoDistanceBall",
    "ball speed": "SlowBall FastBall SuperFastBall",
    "ball type": "Ball_CubeBall Ball_Puck Ball_BasketBall Ball_Haunted Ball_BeachBall",
    "ball gravity": "LowGravityBall HighGravityBall SuperGravityBall",
    "ball physics": "LightBall HeavyBall SuperLightBall MagnusBall MagnusBeachBall",
    "ball size": "SmallBall MediumBall BigBall GiantBall",
    "ball bounciness": "LowBounciness HighBounciness SuperBounciness",
    "number of balls": "TwoBalls FourBalls SixBalls",
    "boost amount": "NoBooster UnlimitedBooster SlowRecharge RapidRecharge",
    "boost strength": "BoostMultiplier1_5x BoostMultiplier2x BoostMultiplier10x",
    "gravity": "LowGravity HighGravity SuperGravity ReverseGravity",
    "demolition": "NoDemolish DemolishAll AlwaysDemolishOpposing AlwaysDemolish",
    "respawn time": "TwoSecondsRespawn OnceSecondRespawn DisableGoalDelay",
    "game event": "HauntedGameEventRules RugbyGameEventRules",
    "freeplay": "FreePlay",
    "game mode": "TA1 TA2 TA3 TA5 TA6 TA7",
}
_MUTATOR_KINDS = {
    name.lower(): kind for kind, names in _MUTATORS.items() for name in names.split()
} | {"itemsmode": "Rumble"}

# Replicated where a mutator changes them: what they are otherwise
_USUAL_VALUES = {
    "TAGame.Ball_TA:BallHitSpinScale": ("spin of the ball", {1.0}),
    "TAGame.Ball_TA:ReplicatedAddedCarBounceScale": ("bounce off cars", {0.0, 1.0}),
    "TAGame.Ball_TA:ReplicatedBallGravityScale": ("ball gravity", {1.0}),
    "TAGame.Ball_TA:ReplicatedBallMaxLinearSpeedScale": ("ball speed", {1.0}),
    "TAGame.Ball_TA:ReplicatedBallScale": ("ball size", {1.0}),
    "TAGame.Ball_TA:ReplicatedWorldBounceScale": ("ball bounciness", {1.0}),
    "TAGame.CarComponent_Boost_TA:BoostModifier": ("boost strength", {1.0}),
    "TAGame.CarComponent_Boost_TA:RechargeRate": ("boost recharge", {0.0}),
    "TAGame.Car_TA:AddedBallForceMultiplier": ("hits of the ball", {0.0, 1.0}),
    "TAGame.Car_TA:AddedCarForceMultiplier": ("hits of cars", {0.0, 1.0}),
    "Engine.WorldInfo:TimeDilation": ("game speed", {1.0}),
    "Engine.WorldInfo:WorldGravityZ": ("gravity", {0.0, -650.0}),
}


def check_mode(header: ReplayHeader) -> list[str]:
    """Refuse what is not soccar with the game's own rules on the standard field.

    Args:
        header: what the file says of itself.

    Returns:
        What it says that is not known here, a sentence each.

    Raises:
        ReplayError: it names another mode, field, ball or a mutator that changes the play.
    """
    words = sorted({*header.objects, *header.archetypes})
    _check_game(words)
    notes = _check_map(header.properties.get("MapName"))
    notes += _check_playlist(header.replicated.get("ProjectX.GRI_X:ReplicatedGamePlaylist", ()))
    _check_ball(words)
    _check_archetypes(words)
    notes += _check_settings(header.replicated)
    _check_values(header.replicated)
    return notes


def _refuse(what: str, said_by: str) -> NoReturn:
    raise ReplayError(f"{what} ({said_by}); {_TAKES}")


def _check_game(words: Iterable[str]) -> None:
    for word in words:
        if (found := _GAME.search(word)) is None or found[1].lower() in ("", "ta"):
            continue
        game = found[1].lower()
        kind = game.partition("_")[0]  # Tutorial_Aerial
        if game in _SOCCAR_GAMES or kind in _SOCCAR_GAMES or word.startswith("TAGame.GameEvent"):
            continue
        name = _OTHER_GAMES.get(game) or _OTHER_GAMES.get(kind) or "another mode"
        _refuse(f"is a game of {name}", word.partition(":")[0])


def _check_map(name: Any) -> list[str]:
    if not isinstance(name, str) or not name:
        return ["The file does not say on which map it was played: taken for the standard field."]
    key = name.lower()
    if key in _STANDARD_MAPS:
        return []
    kinds = (kind for start, kind in _OTHER_MAP_KINDS.items() if key.startswith(start))
    if known := _OTHER_MAPS.get(key) or next(kinds, None):
        _refuse(f"was played on another field, {known}", f"map {name[:64]}")
    return [f"The map {name[:64]} is not known: taken for the standard field."]


def _check_playlist(values: Iterable[Any]) -> list[str]:
    notes = []
    for value in values:
        if value in _OTHER_PLAYLISTS:
            _refuse(f"is a game of {_OTHER_PLAYLISTS[value]}", f"playlist {value}")
        if value not in _SOCCAR_PLAYLISTS:
            notes.append(f"The playlist {value} is not known: taken for soccar.")
    return notes


def _check_ball(words: Iterable[str]) -> None:
    for word in words:
        start, _, ball = word.partition("Archetypes.Ball.")
        if not start and ball.lower() != _STANDARD_BALL:
            _refuse("was played with another ball", ball)


def _check_archetypes(words: Iterable[str]) -> None:
    for word in words:
        if word.startswith("Archetypes.SpecialPickups."):
            _refuse("was played with Rumble's items", word.rpartition(".")[2])
        if word.startswith(("Archetypes.Mutators.", "Mutators.")):
            _refuse("was played with a mutator", word.partition("Mutators.")[2].partition(":")[0])


def _check_settings(replicated: dict[str, set[Any]]) -> list[str]:
    """The mutators of a private match, by the names that its host chose."""
    notes = []
    for mutator in sorted(_private_mutators(replicated)):
        if _HARMLESS_MUTATORS.fullmatch(mutator):
            continue
        kind = _MUTATOR_KINDS.get(mutator.lower())
        if mutator.lower().startswith("itemsmode"):
            kind = "Rumble"
        if kind:
            _refuse(f"was played with a mutator of {kind}", mutator)
        notes.append(f"The mutator {mutator[:64]} is not known: taken as if it changed nothing.")
    return notes + [
        f"The playlist's mutators {index} are not known: taken as if there were none."
        for index in replicated.get("ProjectX.GRI_X:ReplicatedGameMutatorIndex", ())
        if isinstance(index, int) and index > 0
    ]


def _private_mutators(replicated: dict[str, set[Any]]) -> set[str]:
    names: set[str] = set()
    for settings in replicated.get("TAGame.GameEvent_SoccarPrivate_TA:MatchSettings", ()):
        try:
            chosen = ast.literal_eval(settings)["mutators"]
        except (KeyError, SyntaxError, TypeError, ValueError):
            continue
        names.update(re.split(r"[\s,;]+", str(chosen)))
    return names


def _check_values(replicated: dict[str, set[Any]]) -> None:
    for name, (what, usual) in _USUAL_VALUES.items():
        for value in replicated.get(name, ()):
            if isinstance(value, int | float) and value not in usual:
                _refuse(f"was played with a mutator of {what}", f"{name.partition(':')[2]} {value}")
    boost = replicated.get("TAGame.CarComponent_Boost_TA:UnlimitedBoostRefCount", set())
    if boost and 0 not in boost:  # it is unlimited for a moment in some lobbies
        _refuse("was played with a mutator of boost amount", "UnlimitedBoostRefCount")
