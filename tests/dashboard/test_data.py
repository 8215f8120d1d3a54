"""What the pages show is what the store and the recordings say."""

import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucy.agent.store import Store, readers
from lucy.dashboard.data.decomposition import balance
from lucy.dashboard.data.errors import DataError
from lucy.dashboard.data.matchups import standings
from lucy.dashboard.data.recordings import pack
from lucy.dashboard.data.runs import find_warnings, parse_runs, status
from lucy.dashboard.data.shapes import ShapeRequest, knobs, shape, to_toml, turned
from lucy.dashboard.data.sources import Sources
from lucy.dashboard.data.specs import DEFAULT, Specs
from lucy.dashboard.figures.timeline import binned
from lucy.rewards.spec import load_spec, presets
from lucy.rewards.surface import Scene, surface

from .conftest import World


def test_the_dashboard_needs_no_torch() -> None:
    code = "import sys, lucy.dashboard.app, lucy.dashboard.serve; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_runs_are_what_the_store_says(world: World, sources: Sources) -> None:
    with Store.open(world.store) as store:
        runs = readers.list_runs(store)
        touches = readers.read_metrics(store, 1, ["game/touches_per_minute"])
    rows = {row.id: row for row in sources.runs.rows()}
    assert {run.id: run.steps for run in runs} == {row.id: row.steps for row in rows.values()}
    assert rows[1].rating == 24.5 and rows[2].rating is None
    assert (rows[1].reward, rows[2].seed, rows[1].mode) == ("lucy-cpu", 1, "1v1")
    curves = sources.runs.curves(1)
    assert np.array_equal(
        curves.metrics["game/touches_per_minute"], touches["game/touches_per_minute"]
    )
    assert curves.group == sources.runs.curves(2).group  # their seeds alone differ
    assert sources.runs.components(1)["share"].groupby(
        sources.runs.components(1)["steps"]
    ).sum().to_numpy() == pytest.approx(1)


def test_a_run_that_is_not_heard_of_is_silent(sources: Sources) -> None:
    run = sources.runs.get(1)
    assert status(run) == "finished"
    running = type(run)(**{**run.__dict__, "status": "running"})
    assert status(running, now=run.updated + 10) == "running"
    assert status(running, now=run.updated + 1000) == "silent"


def test_links_name_runs_by_number_alone() -> None:
    assert parse_runs("3,5,3") == [3, 5]
    assert parse_runs("1;DROP TABLE,٣,-1,9999999999999999,2") == [2]
    assert parse_runs(None) == []


def metrics(**columns: list[float]) -> pd.DataFrame:
    named = {name.replace("__", "/"): values for name, values in columns.items()}
    return pd.DataFrame({"steps": range(len(next(iter(named.values())))), **named})


def statistics(shares: dict[str, float], fired: dict[str, float]) -> pd.DataFrame:
    rows = [
        {"steps": step, "component": name, "share": share}
        | {"positive": fired[name], "negative": 0.0}
        for step in range(10)
        for name, share in shares.items()
    ]
    return pd.DataFrame(rows)


def test_warnings_say_what_usually_goes_wrong() -> None:
    healthy = statistics({"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 2.0})
    good = metrics(
        train__entropy_loss=[-3.0] * 10,
        train__approx_kl=[0.02] * 10,
        train__clip_fraction=[0.2] * 10,
        train__explained_variance=[0.8] * 10,
    )
    assert find_warnings(good, healthy) == []
    bad = good.assign(
        **{
            "train/entropy_loss": [-3.0] * 5 + [-0.1] * 5,
            "train/approx_kl": [0.02] * 5 + [1e-4] * 5,
            "train/clip_fraction": [0.3, *[0.0] * 9],
            "train/explained_variance": [0.0] * 10,
        }
    )
    lone = statistics({"a": 0.9, "b": 0.1, "c": 0.0}, {"a": 1.0, "b": 1.0, "c": 0.0})
    titles = " / ".join(warning.title for warning in find_warnings(bad, lone))
    for said in ("Entropy", "hardly change", "explains little", "a is 90%", "c never paid"):
        assert said in titles
    assert find_warnings(bad.head(3), lone) == []  # too young


def test_a_game_arrives_in_the_browser_whole(sources: Sources) -> None:
    game = sources.recordings.game("r1", 0)
    body = pack(game)
    (length,) = struct.unpack("<I", body[:4])
    about = json.loads(body[4 : 4 + length])
    rows = np.frombuffer(body[4 + length :], "<f4").reshape(about["steps"], about["columns"])
    assert np.array_equal(rows[:, :3], game.states.ball_position)
    assert np.array_equal(rows[:, 8:11], game.states.car_position[:, 0])
    assert np.array_equal(rows[:, 19 + 9], game.states.car_boost[:, 1])
    pads = rows[:, 3, None].astype(np.int64) >> np.arange(17) & 1
    assert np.array_equal(pads.astype(bool), game.states.boost_pad_active[:, :17])
    goals = [event for event in about["events"] if event["kind"] == "goal"]
    assert len(goals) == sum(game.score)


def test_what_is_paid_adds_up(sources: Sources) -> None:
    game = sources.recordings.game("r1", 1)
    for name in ("lucy-skg", "nexto"):
        spec = load_spec(name)
        evaluation = sources.recordings.evaluation(game, name)
        result = balance(spec, game, evaluation, game.cars)
        table = result.table
        assert table["gain"].to_numpy() + table["loss"].to_numpy() == pytest.approx(
            table["earned"].to_numpy()
        )
        total = np.nansum(evaluation.total[:, game.cars])
        assert table["paid"].sum() * result.car_minutes == pytest.approx(total, abs=1e-3)
        assert table["share"].sum() == pytest.approx(1)
        assert list(table["kind"]).count("shaping") == len(spec.potential)


def test_bins_keep_the_sum() -> None:
    paid = np.random.default_rng(0).normal(size=(1001, 3)).astype(np.float32)
    paid[5] = np.nan
    seconds, sums = binned(paid, 0.1)
    assert sums.sum(axis=0) == pytest.approx(np.nansum(paid, axis=0), abs=1e-3)
    assert seconds[-1] == pytest.approx(100.0)
    assert (np.diff(seconds) > 0).all()


def test_the_table_is_what_the_matches_say(world: World, sources: Sources) -> None:
    with Store.open(world.store) as store:
        matches = readers.read_matches(store, mode="1v1")
    table = {
        row.bot: row
        for row in standings(sources.matchups.pairings("1v1"), sources.matchups.ratings("1v1"))
    }
    for bot in world.bots:
        first, second = matches[matches["first"] == bot], matches[matches["second"] == bot]
        assert table[bot].games == len(first) + len(second)
        assert table[bot].goals == first["first_goals"].sum() + second["second_goals"].sum()
        assert table[bot].conceded == first["second_goals"].sum() + second["first_goals"].sum()
    assert table["tiny"].rating == 24.5 and table["tiny"].games == 0
    assert [row.rating for row in table.values()] == sorted(
        (row.rating for row in table.values()), reverse=True
    )


def test_a_pairing_seen_from_either_side_is_mirrored(world: World, sources: Sources) -> None:
    one, other = world.bots[1], world.bots[0]
    ours = sources.matchups.opened("1v1", (one, other), "lucy-skg")
    theirs = sources.matchups.opened("1v1", (other, one), "lucy-skg")
    assert ours is not None and theirs is not None
    assert ours.first.figures == pytest.approx(theirs.second.figures)
    assert ours.first.earned == pytest.approx(theirs.second.earned)
    assert ours.ball == pytest.approx(theirs.ball[::-1, ::-1], abs=0.002)  # bins' edges
    assert ours.first.places.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", presets())
def test_a_saved_reward_reads_back_equal(sources: Sources, name: str, tmp_path: Path) -> None:
    weight = knobs(load_spec(name))[0]
    spec = turned(sources.specs, name, {weight.path: 0.125})
    path = tmp_path / "saved.toml"
    path.write_text(to_toml(spec), "utf-8")
    tomllib.loads(path.read_text("utf-8"))
    assert load_spec(str(path)).model_dump(exclude={"parts"}) == spec.model_dump(exclude={"parts"})
    assert spec.terms[0].weight == 0.125


def test_a_shape_is_the_surface(sources: Sources) -> None:
    given = {
        "ball": (0, 0, 93.15),
        "ball_velocity": (0, 500, 0),
        "car": (0, -2500, 17),
        "car_velocity": (0, 1410, 0),
        "opponents": [(0, 2000, 17)],
    }
    request = ShapeRequest.model_validate({"reward": "lucy-skg", "scene": given, "fine": False})
    body = shape(sources.specs, request)
    (length,) = struct.unpack("<I", body[:4])
    about = json.loads(body[4 : 4 + length])
    values = np.frombuffer(body[4 + length :], "<f4").reshape(about["rows"], about["columns"])
    scene = Scene(**given | {"opponents": ((0, 2000, 17),)}, boost=0.33)
    expected = surface(load_spec("lucy-skg"), scene, points=values.shape).value
    assert np.allclose(values, expected, atol=1e-6, equal_nan=True)
    turned_up = turned(sources.specs, "lucy-skg", {"potential.0.weight": 4.0})
    assert turned_up.potential[0].weight == 4.0


def test_rewards_beside_the_runs_can_be_chosen(own_world: World) -> None:
    source = Path(__file__).parents[2] / "rewards" / "presets" / "necto.toml"
    shutil.copyfile(source, own_world.folder / "mine.toml")
    (own_world.folder / "broken.toml").write_text("weight =", "utf-8")
    sources = Sources.of(own_world.store, own_world.folder)
    assert sources.specs.names()[-2:] == ["broken.toml", "mine.toml"]
    assert sources.specs.get("mine.toml") == load_spec("necto")
    with pytest.raises(DataError, match="is not TOML"):
        sources.specs.get("broken.toml")


def test_a_missing_store_may_come_later(world: World, tmp_path: Path) -> None:
    sources = Sources.of(str(tmp_path / "lucy.db"), tmp_path)
    with pytest.raises(DataError, match="there is no such file"):
        sources.runs.summaries()
    assert sources.recordings.sources() == []
    shutil.copyfile(world.store, tmp_path / "lucy.db")
    assert len(sources.runs.summaries()) == 2


def test_stores_that_cannot_be_read_say_so(own_world: World) -> None:
    path = Path(own_world.store)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE lucy_schema SET version = 0")
    database.close()
    with pytest.raises(DataError, match="expected a store"):
        Sources.of(own_world.store, own_world.folder).runs.summaries()
    path.unlink()
    path.touch()
    with pytest.raises(DataError, match="the database is empty"):
        Sources.of(own_world.store, own_world.folder).runs.summaries()
    path.write_bytes(b"half" * 2000)
    with pytest.raises(DataError, match="expected an SQLite database"):
        Sources.of(own_world.store, own_world.folder).runs.summaries()


def test_a_locked_store_says_so(own_world: World) -> None:
    sources = Sources.of(own_world.store, own_world.folder)
    with sqlite3.connect(own_world.store) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataError, match="lock"):
            sources.runs.summaries()
    database.close()
    assert len(sources.runs.summaries()) == 2


def test_things_that_went_away_are_named(own_world: World) -> None:
    sources = Sources.of(own_world.store, own_world.folder)
    with pytest.raises(DataError, match="no run 77"):
        sources.runs.curves(77)
    with sqlite3.connect(own_world.store) as database:
        gone = str(own_world.folder / "gone.npz")
        database.execute("UPDATE recordings SET path = ? WHERE id = 1", [gone])
    database.close()
    with pytest.raises(DataError, match=r"gone\.npz went away"):
        sources.recordings.game("r1", 0)
    assert sources.recordings.game("r2", 0).games == 2
    (own_world.folder / "half.npz").write_bytes(b"PK\x03\x04" + b"x" * 100)
    (own_world.folder / "2025" / "may" / "a").mkdir(parents=True)
    (own_world.folder / "2025" / "may" / "a" / "DEEP.NPZ").touch()
    fresh = Sources.of(own_world.store, own_world.folder).recordings
    assert "2025/may/a/DEEP.NPZ" in [Path(source.label).as_posix() for source in fresh.sources()]
    (half,) = [source.key for source in fresh.sources() if source.label == "half.npz"]
    with pytest.raises(DataError, match="cannot be read"):
        fresh.game(half, 0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_no_reward(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "mine.toml").write_text(to_toml(load_spec(DEFAULT)))
    assert Specs(tmp_path).names()[len(presets()) :] == ["mine.toml"]
