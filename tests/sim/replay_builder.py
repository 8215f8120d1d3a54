"""Small replays at the level of the parser's output: its tables, its metadata, the file's words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucy.sim.recording import Recording, save_recording
from lucy.sim.replay_header import Demolition, Person, ReplayHeader
from lucy.sim.replays import _convert

FRAMES = 61  # of a period, two seconds and 31 steps; as many again are between two
PLAY = 25  # when the ball leaves the middle
_PHYSICS = [f"{part}_{axis}" for part in ("pos", "vel", "ang_vel") for axis in "xyz"]
_QUATERNION = [f"quat_{axis}" for axis in "wxyz"]
_NULLS = [
    "match_goals",
    "match_saves",
    "match_shots",
    "boost_pickup",
    "double_jump_is_active",
    "flip_car_is_active",
    "dodge_is_active",
    "jump_is_active",
    "boost_is_active",
    "handbrake",
    "dodge_torque_x",
    "dodge_torque_y",
    "dodges_refreshed_counter",
]


@dataclass
class Driver:
    """Somebody with a car that stands where kickoffs begin."""

    uid: int
    name: str | None
    team: int
    x: float = 0.0
    online_id: str | None = None
    told_team: bool = True  # to the parser
    gone: list[tuple[int, int]] = field(default_factory=list)  # frames without data
    counters: dict[str, dict[int, int]] = field(default_factory=dict)  # from a frame on

    @property
    def person(self) -> Person:
        return Person(self.name, self.online_id, self.team, bot=False, drove=True)


BLUE, ORANGE = Driver(11, "Ann", 0, online_id="1"), Driver(12, "Ben", 1, online_id="2")


@dataclass
class Replay:
    """Periods one after another, each of which a goal of blue (0) or orange (1) ends, or none."""

    drivers: Sequence[Driver] = (BLUE, ORANGE)
    goals: Sequence[int | None] = (0, 1)
    watchers: list[dict[str, Any]] = field(default_factory=list)
    people: list[Person] | None = None  # whom the file names; by default those who drive
    demolitions: list[Demolition] = field(default_factory=list)
    scores: list[tuple[int, int, int]] | None = None  # of the scoreboard; by default the goals'
    header_goals: Sequence[tuple[int, int]] | None = None  # frame, team; by default as they fall
    table: list[dict[str, Any]] = field(default_factory=list)  # the header's
    header_score: tuple[int, int] | None = None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    periods: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Fill the tables, which tests may change before they convert them."""
        count = 2 * FRAMES * len(self.goals) + 20
        self.frames = count
        self.tables["game"] = pd.DataFrame(
            {
                "time": np.arange(count, dtype=np.float32) / 30 + 5,
                "delta": np.full(count, 1 / 30, np.float32),
                "seconds_remaining": np.full(count, 300.0),
                "replicated_game_state_time_remaining": np.full(count, np.nan),
                "is_overtime": np.full(count, np.nan),
                "ball_has_been_hit": np.zeros(count),
            }
        )
        ball = _bodies(count, 93.15)
        for number, side in enumerate(self.goals):
            first = self.start(number)
            last = first + FRAMES - 1
            hit = first + PLAY
            self.tables["game"].loc[hit:last, "ball_has_been_hit"] = 1.0
            if side is not None:
                way = np.linspace(0, 5250, last - hit + 1) * (1 if side == 0 else -1)
                ball.loc[hit:last, "pos_y"] = way
                ball.loc[hit:last, "vel_y"] = way[1] * 30
            self.periods.append(
                {
                    "start_frame": first,
                    "end_frame": last if side is None else last + 30,
                    "first_hit_frame": hit,
                    "goal_frame": None if side is None else last,
                }
            )
        ball["hit_team_num"] = 0
        self.tables["ball"] = ball
        for driver in self.drivers:
            self.tables[f"player_{driver.uid}"] = _car(driver, count)

    def start(self, number: int) -> int:
        """The frame with which a period begins."""
        return 10 + 2 * FRAMES * number

    def goal_frames(self) -> list[tuple[int, int]]:
        """Frame and team of every goal that falls."""
        return [
            (self.start(number) + FRAMES - 1, side)
            for number, side in enumerate(self.goals)
            if side is not None
        ]

    def header(self) -> ReplayHeader:
        """What the file says of itself."""
        fell = self.goal_frames()
        told = fell if self.header_goals is None else self.header_goals
        sides = [side for _, side in fell]
        score = self.header_score or (sides.count(0), sides.count(1))
        scores, running = [(0, 0, 0)], [0, 0]
        for frame, side in fell:
            running[side] += 1
            scores.append((frame, *running))
        return ReplayHeader(
            properties={
                "Team0Score": score[0],
                "Team1Score": score[1],
                "Goals": [
                    {"frame": frame, "PlayerTeam": team, "PlayerName": "Ann"}
                    for frame, team in told
                ],
                "PlayerStats": self.table,
            },
            objects=(),
            packages=(),
            archetypes=frozenset(),
            replicated={},
            people=tuple(
                [driver.person for driver in self.drivers] if self.people is None else self.people
            ),
            demolitions=tuple(self.demolitions),
            scores=tuple(scores if self.scores is None else self.scores),
        )

    def convert(self, folder: Path, title: str | None = None) -> Recording:
        """Through the real converter; what comes out can be saved."""
        for name, table in self.tables.items():
            table.to_parquet(folder / (f"{name}.parquet" if "_" in name else f"__{name}.parquet"))
        players = [
            {
                "unique_id": str(driver.uid),
                "name": driver.name,
                "online_id": driver.online_id,
                "is_orange": bool(driver.team) if driver.told_team else None,
                "car_id": 23,
            }
            for driver in self.drivers
        ]
        metadata = {
            "game": {"id": None, "replay_name": title, "goals": [{"is_orange": None}]},
            "players": [*players, *self.watchers],
        }
        analyzer = {"gameplay_periods": self.periods, "hits": [{"player_unique_id": None}]}
        (folder / "metadata.json").write_text(json.dumps(metadata))
        (folder / "analyzer.json").write_text(json.dumps(analyzer))
        recording = _convert(folder, title or "a.replay", self.header(), [], lambda: None)
        save_recording(folder / "a.npz", recording)
        return recording


def notes(recording: Recording) -> list[str]:
    return recording.metadata.details["notes"]


def step(replay: Replay, period: int, frame: int) -> int:
    """The recording's step that shows a frame of a period, where all before are converted."""
    return period * (FRAMES // 2 + 1) + (frame - replay.start(period)) // 2


def _bodies(count: int, z: float) -> pd.DataFrame:
    table = pd.DataFrame({column: np.zeros(count) for column in [*_PHYSICS, *_QUATERNION]})
    table["is_sleeping"], table["pos_z"], table["quat_w"] = 0.0, z, 1.0
    return table


def _car(driver: Driver, count: int) -> pd.DataFrame:
    table = _bodies(count, 17.0)
    table["pos_x"] = driver.x
    table["pos_y"] = -4608.0 if driver.team == 0 else 4608.0
    yaw = np.pi / 2 if driver.team == 0 else -np.pi / 2
    table["quat_w"], table["quat_z"] = np.cos(yaw / 2), np.sin(yaw / 2)
    for column in _NULLS:
        table[column] = np.nan
    table["throttle"], table["steer"], table["boost_amount"] = 127.5, 127.5, 40.0
    for column, values in driver.counters.items():
        for frame, value in values.items():
            table.loc[frame, f"match_{column}"] = float(value)
    for start, stop in driver.gone:
        table.loc[start : stop - 1, [*_PHYSICS, *_QUATERNION, "is_sleeping", "boost_amount"]] = (
            np.nan
        )
    return table.astype(dict.fromkeys((*_PHYSICS, "boost_amount"), np.float32))
