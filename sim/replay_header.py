"""What a .replay file says itself: its header, who drove, the score and the demolitions.

rlgym-tools' parser gives the play; it knows neither spectators from players nor the newer
records of demolitions. These come from boxcars, which reads the same file once more.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import subtr_actor

from .constants import BLUE, ORANGE
from .names import storable

_TEAMS = {"Archetypes.Teams.Team0": BLUE, "Archetypes.Teams.Team1": ORANGE}
_RULE_CLASSES = ("TAGame.GameEvent", "TAGame.GRI", "ProjectX.GRI", "Engine.WorldInfo")
_MUTATORS = frozenset(  # of balls, cars and boost
    {
        "AddedBallForceMultiplier",
        "AddedCarForceMultiplier",
        "BallHitSpinScale",
        "BoostModifier",
        "MagnusCoefficient",
        "RechargeDelay",
        "RechargeRate",
        "ReplicatedAddedCarBounceScale",
        "ReplicatedBallGravityScale",
        "ReplicatedBallMaxLinearSpeedScale",
        "ReplicatedBallMesh",
        "ReplicatedBallScale",
        "ReplicatedPhysMatOverride",
        "ReplicatedWorldBounceScale",
        "StartBoostAmount",
        "UnlimitedBoostRefCount",
    }
)


class ReplayError(ValueError):
    """A .replay file cannot be turned into a recording; the message says why."""


class HeaderGoal(NamedTuple):
    """A goal, as the header lists it."""

    frame: int
    team: int | None  # that it counts for
    player: str | None


class HeaderPlayer(NamedTuple):
    """A line of the header's final table."""

    name: str | None
    online_id: str | None
    team: int | None
    goals: int
    saves: int
    shots: int


class Person(NamedTuple):
    """Somebody whom the file names: who plays, watches or fills in."""

    name: str | None
    online_id: str | None  # bots have none
    team: int | None  # the last that is told; who only watches has none
    bot: bool
    drove: bool  # had a car at some time


class Demolition(NamedTuple):
    """A car that another one destroyed."""

    frame: int
    victim: Person
    attacker: Person | None  # None where the record names a car that nobody is known to drive
    until: int | None  # the frame on which the victim has another car, where that is told


class ReplayHeader(NamedTuple):
    """What a file says of itself, apart from the play."""

    properties: dict[str, Any]  # the header's own, by their names in the game
    objects: tuple[str, ...]  # names that the file refers to
    packages: tuple[str, ...]
    archetypes: frozenset[str]  # of all actors that appear
    replicated: dict[str, set[Any]]  # the game's rules and state: values that each property took
    people: tuple[Person, ...]
    demolitions: tuple[Demolition, ...]
    scores: tuple[tuple[int, int, int], ...]  # frame, blue, orange: from that frame on

    @property
    def score(self) -> tuple[int, int]:
        """The final one; the game leaves zeros out."""
        return (
            _integer(self.properties.get("Team0Score")) or 0,
            _integer(self.properties.get("Team1Score")) or 0,
        )

    @property
    def goals(self) -> list[HeaderGoal]:
        """In the order of their frames."""
        goals = [
            HeaderGoal(frame, _side(goal.get("PlayerTeam")), _text(goal.get("PlayerName")))
            for goal in _rows(self.properties.get("Goals"))
            if (frame := _integer(goal.get("frame"))) is not None
        ]
        return sorted(goals, key=lambda goal: goal.frame)

    @property
    def players(self) -> list[HeaderPlayer]:
        """The final table; empty where the match was left before its end."""
        return [
            HeaderPlayer(
                _text(row.get("Name")),
                online_id(row.get("OnlineID")),
                _side(row.get("Team")),
                *(_integer(row.get(column)) or 0 for column in ("Goals", "Saves", "Shots")),
            )
            for row in _rows(self.properties.get("PlayerStats"))
        ]

    def score_at(self, frame: int) -> tuple[int, int] | None:
        """The scoreboard on a frame, None where the file does not show one."""
        row = bisect_right(self.scores, frame, key=lambda score: score[0]) - 1
        return self.scores[row][1:] if row >= 0 else None


def read_header(path: Path) -> ReplayHeader:
    """Read what a .replay file says of itself.

    It takes about a second and some 300 MiB for a whole game.

    Raises:
        ReplayError: it cannot be read.
    """
    try:
        content = subtr_actor.parse_replay(path.read_bytes())
    except OSError as error:
        raise ReplayError(f"cannot be read ({error.strerror or error})") from error
    except BaseException as error:
        # A panic in Rust is no Exception in Python
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split())[:200]
        raise ReplayError(f"the parser cannot read it ({reason})") from error
    network = _Network(content["objects"])
    for number, frame in enumerate((content["network_frames"] or {}).get("frames", [])):
        network.take(number, frame)
    return ReplayHeader(
        properties=content["properties"],
        objects=tuple(content["objects"]),
        packages=tuple(content["packages"]),
        archetypes=frozenset(network.archetypes),
        replicated=network.replicated,
        people=tuple(dict.fromkeys(person.seen() for person in network.people)),
        demolitions=tuple(network.demolitions()),
        scores=tuple(network.scores),
    )


@dataclass(eq=False)
class _Person:
    """What is known so far of the player behind an actor."""

    name: str | None = None
    online_id: str | None = None
    team: int | None = None
    bot: bool = False
    drove: bool = False

    def seen(self) -> Person:
        return Person(self.name, self.online_id, self.team, self.bot, self.drove)


@dataclass(eq=False)
class _Record:
    """A demolition whose end is not known yet."""

    frame: int
    victim: _Person
    attacker: _Person | None
    car: int
    until: int | None = None


@dataclass(eq=False)
class _Network:
    """Follows the actors of the game from frame to frame."""

    objects: list[str]
    archetypes: set[str] = field(default_factory=set)
    replicated: dict[str, set[Any]] = field(default_factory=dict)
    people: list[_Person] = field(default_factory=list)
    scores: list[tuple[int, int, int]] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)  # the actors' archetypes
    _person: dict[int, _Person] = field(default_factory=dict)
    _driver: dict[int, _Person] = field(default_factory=dict)  # of each car
    _told: dict[int, str] = field(default_factory=dict)  # each car's last demolition
    _records: list[_Record] = field(default_factory=list)
    _points: list[int | None] = field(default_factory=lambda: [None, None])
    _wanted: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._wanted = {
            number: name
            for number, name in enumerate(self.objects)
            if name.startswith(_RULE_CLASSES)
            or name.partition(":")[2] in _MUTATORS
            or name.startswith("Engine.PlayerReplicationInfo:")
            or name.startswith("TAGame.Car_TA:ReplicatedDemolish")
            or name in ("Engine.Pawn:PlayerReplicationInfo", "Engine.TeamInfo:Score")
        }

    def take(self, number: int, frame: dict[str, Any]) -> None:
        for actor in frame["deleted_actors"]:
            for table in (self._names, self._person, self._driver, self._told):
                table.pop(actor, None)
        before = set(self._driver) if frame["new_actors"] else self._driver
        for new in frame["new_actors"]:
            self._appear(new["actor_id"], self.objects[new["object_id"]])
        demolitions = []
        for update in frame["updated_actors"]:
            name = self._wanted.get(update["object_id"])
            if name is None:
                continue
            actor, value = update["actor_id"], _value(update["attribute"])
            if name.startswith("TAGame.Car_TA:ReplicatedDemolish"):
                demolitions.append((actor, value))
            else:
                self._update(number, actor, name, value)
        for actor, value in demolitions:  # by now it is known who drives what
            self._demolish(number, actor, value, known=actor in before)
        blue, orange = self._points
        last = self.scores[-1][1:] if self.scores else None
        if blue is not None and orange is not None and (blue, orange) != last:
            self.scores.append((number, blue, orange))

    def demolitions(self) -> Iterable[Demolition]:
        for record in self._records:
            attacker = record.attacker.seen() if record.attacker else None
            yield Demolition(record.frame, record.victim.seen(), attacker, record.until)

    def _appear(self, actor: int, name: str) -> None:
        if self._names.get(actor) == name:  # told again, as every ten seconds
            return
        self._names[actor] = name
        self.archetypes.add(name)
        for table in (self._person, self._driver, self._told):
            table.pop(actor, None)
        if name in _TEAMS:
            self._points[_TEAMS[name]] = 0
        if name.endswith("Default__PRI_TA"):
            self._person[actor] = _Person()
            self.people.append(self._person[actor])

    def _update(self, number: int, actor: int, name: str, value: Any) -> None:
        if name == "Engine.Pawn:PlayerReplicationInfo":
            self._drive(number, actor, value)
        elif name == "Engine.TeamInfo:Score":
            team = _TEAMS.get(self._names.get(actor, ""))
            if team is not None and isinstance(value, int):
                self._points[team] = value
        elif name.startswith("Engine.PlayerReplicationInfo:"):
            if actor in self._person:
                self._introduce(self._person[actor], name.partition(":")[2], value)
        else:
            self.replicated.setdefault(name, set()).add(self._plain(value))

    def _introduce(self, person: _Person, what: str, value: Any) -> None:
        if what == "PlayerName":
            person.name = _text(value)
        elif what == "UniqueId":
            person.online_id = online_id(value.get("remote_id"))
        elif what == "bBot":
            person.bot = bool(value)
        elif what == "Team":
            team = _TEAMS.get(self._names.get(value["actor"], ""))
            person.team = person.team if team is None else team

    def _drive(self, number: int, car: int, owner: dict[str, Any]) -> None:
        person = self._person.get(owner["actor"]) if owner["active"] else None
        if person is None or self._driver.get(car) is person:
            return
        self._driver[car] = person
        person.drove = True
        for record in self._records:
            if record.victim is person and record.until is None and record.car != car:
                record.until = number

    def _demolish(self, number: int, car: int, value: dict[str, Any], *, known: bool) -> None:
        """Take a record. A car without an attacker is one whose player left."""
        told = repr(value)
        repeated = self._told.get(car) == told
        self._told[car] = told
        attacker, victim = _actor(value["attacker"]), self._driver.get(car)
        by_somebody = attacker >= 0 and value.get("attacker_flag", True)
        # What a car that has just appeared says was before
        if repeated or not known or not by_somebody or attacker == car or victim is None:
            return
        self._records.append(_Record(number, victim, self._driver.get(attacker), car))

    def _plain(self, value: Any) -> Any:
        """A value that sets can hold; a reference as the name of what it refers to."""
        if isinstance(value, dict) and set(value) == {"active", "actor"}:
            number = value["actor"]
            if value["active"]:
                return self._names.get(number)
            return self.objects[number] if 0 <= number < len(self.objects) else None
        return repr(value) if isinstance(value, dict | list) else value


def _value(attribute: Any) -> Any:
    """The value behind its type's name."""
    return next(iter(attribute.values())) if isinstance(attribute, dict) else attribute


def _actor(value: Any) -> int:
    if isinstance(value, dict):
        return value["actor"] if value["active"] else -1
    return value


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _side(value: Any) -> int | None:
    return value if value in (BLUE, ORANGE) else None


def _text(value: Any) -> str | None:
    return storable(value)[:256] if isinstance(value, str) and value else None


def online_id(value: Any) -> str | None:
    """A platform's number for a player; "0" stands for none."""
    while isinstance(value, dict) and value:
        value = value.get("online_id") or _value(value)
    known = isinstance(value, str | int) and str(value) not in ("", "0")
    return storable(str(value)) if known else None
