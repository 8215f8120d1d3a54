"""Every page in a real Chromium: what is shown, dragged, dropped, exported and linked."""

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete

playwright = pytest.importorskip("playwright.sync_api")
from lucy.agent.store import ComponentStatistics, Iteration, Store, readers  # noqa: E402
from lucy.agent.store.models import RatingRow, Run, RunIteration  # noqa: E402
from lucy.dashboard.data.sources import Sources  # noqa: E402

from ..waiting import wait_until  # noqa: E402
from .conftest import CHROMIUM, REPLAYS, WAIT, World, served  # noqa: E402

DRAWN = {  # each page, and what is true when all of it can be seen
    "/runs": "document.querySelector('#runs-figure .main-svg')",
    "/reward": "document.querySelector('#reward-figure .main-svg')",
    "/shapes": "window.lucy?.shapes?.look().panels[0]?.surface",
    "/play": "window.lucy?.play?.look()?.cars && document.querySelector('#play-figure .main-svg')",
    "/matchups": "document.querySelector('#matchups-matrix .main-svg')",
}
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium; install one, or name one with LUCY_CHROMIUM"
)


def open_page(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("#content h1, #content .empty", state="attached")


def drawn(page: Any, selector: str) -> None:
    """Wait until a figure is drawn, or drawn anew."""
    page.wait_for_selector(f"{selector} .js-plotly-plot .main-svg", state="attached")


def until(page: Any, expression: str) -> None:
    """Wait until something is true in the page, whose own policy forbids Playwright's way."""
    wait_until(lambda: page.evaluate(f"Boolean({expression})"), expression)


def query(page: Any, is_it: Callable[[dict[str, str]], Any]) -> dict[str, str]:
    """What the address asks for, as soon as it is what is awaited."""

    def asked() -> dict[str, str]:
        return dict(page.evaluate("Array.from(new URLSearchParams(location.search))"))

    wait_until(lambda: bool(is_it(asked())), "the address asks for what was chosen")
    return asked()


def test_runs_show_what_the_store_says(page: Any, world: World, address: str) -> None:
    open_page(page, f"{address}/runs")
    page.wait_for_selector(".ag-row")
    with Store.open(world.store) as store:
        run = readers.list_runs(store)[0]
        speed = readers.read_metrics(store, run.id, ["game/speed"])["game/speed"]
    assert page.locator(".ag-center-cols-container .ag-row").count() == 2
    header = page.inner_text("#runs-header")
    assert f"{run.name} #{run.id}" in header and f"{run.steps:,}" in header
    drawn(page, "#content")
    shown = page.evaluate(
        "Array.from(document.querySelector('#runs-figure .js-plotly-plot')._fullData"
        ".find(t => t.yaxis === 'y3').y)"
    )
    assert shown == pytest.approx(speed.tolist(), rel=1e-5)


def test_runs_are_overlaid_smoothed_linked_and_exported(
    page: Any, world: World, address: str
) -> None:
    open_page(page, f"{address}/runs?runs=1")
    page.wait_for_selector(".ag-row")
    page.locator(".ag-row[row-id='2'] .ag-selection-checkbox").first.click()
    page.wait_for_selector("#runs-header table")
    assert page.locator("#runs-header tbody tr").count() == 2
    page.get_by_text("PPO health").click()
    page.check("#runs-bands", force=True)
    until(page, "document.querySelector('#runs-figure').innerText.includes('2 seeds')")
    query(page, lambda asked: asked == {"runs": "1,2", "show": "ppo", "seeds": "true"})
    page.reload()
    page.wait_for_selector("#runs-header table")
    until(page, "document.querySelector('#runs-figure').innerText.includes('2 seeds')")
    with page.expect_download() as download:
        page.click("#runs-csv")
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    with Store.open(world.store) as store:
        iterations = sum(run.iterations for run in readers.list_runs(store))
    assert len(lines) == iterations + 1 and lines[0].startswith("steps,time,hours")


def test_what_was_zoomed_and_hidden_stays_so_when_panels_wait_out_of_sight(
    page: Any, address: str
) -> None:
    page.set_viewport_size({"width": 1366, "height": 620})
    open_page(page, f"{address}/runs?runs=1,2")
    drawn(page, "#runs-figure")
    plot = "document.querySelector('#runs-figure .js-plotly-plot')"
    last = page.evaluate(f"{plot}._fullLayout._subplots.yaxis.length")
    assert page.evaluate(f"{plot}._fullData.some((line) => line.yaxis === 'y{last}')")
    page.locator("#runs-figure .legendtoggle").first.click()
    hidden = f"{plot}._fullData.filter((line) => line.visible === 'legendonly').length"
    until(page, f"{hidden} >= {last}")
    panel = page.locator(f"#runs-figure .nsewdrag[data-subplot='x{last}y{last}']")
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 70, steps=4)
    page.mouse.up()
    axis = f"{plot}._fullLayout.yaxis{last}"
    until(page, f"!{axis}.autorange && {axis}.range[0] !== 0")
    before = page.evaluate(f"[{axis}.range, {hidden}]")
    page.evaluate(
        "scrollTo(0, 0); window.seen = [];"
        f"{plot}.on('plotly_afterplot', () => seen.push({axis}.visible));"
        "document.querySelector('#runs-smoothing [role=slider]').focus({ preventScroll: true })"
    )
    page.keyboard.press("ArrowRight")
    until(page, "seen.at(-1) === true && seen.includes(false)")
    assert page.evaluate(f"[{axis}.range, {hidden}]") == before


def test_a_live_run_moves_by_itself(page: Any, own_world: World) -> None:
    nothing = {"a": ComponentStatistics(0.1, 0.1, 1.0, 5, 0, 0.1)}
    with Store.open(own_world.store) as store, served(own_world) as url:
        writer = store.start_run(own_world.folder / "live", config={"seed": 3})
        writer.add_iterations([Iteration(100, {"game/speed": 1.0}, nothing, time.time())])
        open_page(page, f"{url}/runs")
        page.wait_for_selector("#runs-header >> text=live #3")
        writer.add_iterations([Iteration(123_456, {"game/speed": 2.0}, nothing, time.time())])
        page.wait_for_selector("#runs-header >> text=123,456")
        until(
            page,
            "document.querySelector('#runs-figure .js-plotly-plot')"
            "._fullData.some((line) => line.x.at(-1) === 123456 && line.y.at(-1) === 2)",
        )


def test_the_reward_is_taken_apart(page: Any, world: World, address: str) -> None:
    sources = Sources.of(world.store, world.folder)
    open_page(page, f"{address}/reward?run=1")
    drawn(page, "#content")
    newest = sources.runs.components(1).groupby("component", observed=True).last()
    largest = newest["share"].idxmax()
    first = page.locator("#reward-table tbody tr").first.inner_text()
    assert str(largest) in first and f"{newest['share'].max():.1%}" in first
    page.get_by_text("Steps that pay").click()
    until(page, "document.querySelector('#reward-figure').innerText.includes('steps that pay')")
    query(page, lambda asked: asked.get("statistic") == "fired")
    page.wait_for_selector("#reward-balance table tbody tr")
    assert page.locator("#reward-balance tbody tr").count() == 13
    plot = page.locator("#reward-figure .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(800)
    page.locator("#reward-episode-link a").click()
    page.wait_for_selector("#play-stage canvas")
    assert int(query(page, lambda asked: "steps" in asked)["steps"]) <= 640


def test_shapes_follow_what_is_dragged(page: Any, address: str) -> None:
    open_page(page, f"{address}/shapes?a=lucy-skg&at=offensive_potential")
    until(page, "lucy.shapes.look().panels[0]?.surface")
    before = page.evaluate("lucy.shapes.look().panels[0].surface.high")
    box = page.locator("canvas.stage").bounding_box()
    at = page.evaluate(
        "(() => { const l = lucy.shapes.look(); return l.panels[0].view.to(...l.scene.car); })()"
    )
    page.mouse.move(box["x"] + at[0], box["y"] + at[1])
    page.mouse.down()
    page.mouse.move(box["x"] + at[0] + 60, box["y"] + at[1] - 50, steps=5)
    page.mouse.up()
    until(page, f"lucy.shapes.look().panels[0].surface.high !== {before}")
    scene = page.evaluate("lucy.shapes.look().scene")
    assert scene["car"][1] > -2400 and scene["car"][0] > 100
    slider = page.locator(".knob input").first
    slider.evaluate(
        "e => { e.value = 0.2; e.dispatchEvent(new Event('input'));"
        "e.dispatchEvent(new Event('change')); }"
    )
    page.get_by_role("button", name="Compare").click()
    until(page, "lucy.shapes.look().panels.length === 2 && lucy.shapes.look().panels[1].surface")
    page.locator("section.panel").nth(1).locator("select").first.select_option("nexto")
    wanted = {"b": "nexto", "at": "offensive_potential"}
    query(page, lambda asked: "ak" in asked and asked.items() >= wanted.items())
    page.reload()
    until(page, "window.lucy && lucy.shapes && lucy.shapes.look().panels.length === 2")
    assert page.evaluate("lucy.shapes.look().scene.car") == pytest.approx(scene["car"], abs=0.01)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save TOML").nth(1).click()
    assert "necto_state_quality" in Path(download.value.path()).read_text("utf-8")


def test_a_game_is_watched(page: Any, world: World, address: str) -> None:
    game = Sources.of(world.store, world.folder).recordings.game("r1", 0)
    open_page(page, f"{address}/play?source=r1&at=2")
    page.wait_for_selector("#play-stage canvas")
    until(page, "lucy.play.look() && lucy.play.look().seconds === 2")
    step = round(2 / game.step_seconds)
    assert page.evaluate("lucy.play.look().ball") == pytest.approx(
        game.states.ball_position[step].tolist(), abs=1
    )
    page.locator(".player input[type=range]").evaluate(
        "e => { e.value = 10; e.dispatchEvent(new Event('input')); }"
    )
    until(page, "Math.abs(lucy.play.look().seconds - 10) < 0.1")
    page.focus("#play-stage canvas")
    page.keyboard.press("ArrowRight")
    until(page, "Math.abs(lucy.play.look().seconds - 11) < 0.1")
    page.keyboard.press(" ")
    until(page, "lucy.play.look().seconds > 11.3")
    page.keyboard.press(" ")
    page.locator(".player select").nth(0).select_option("3d")
    page.locator(".player select").nth(2).select_option("1")
    drawn(page, "#play-timeline")
    page.wait_for_selector("#play-timeline .time-cursor", state="attached")
    page.locator("#play-timeline").scroll_into_view_if_needed()
    box = page.locator("#play-timeline .nsewdrag").nth(1).bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    until(page, f"Math.abs(lucy.play.look().seconds - {game.seconds * 0.2}) < 0.5")
    expected = {"source": "r1", "at": "5", "view": "3d", "follow": "1"}
    query(page, lambda asked: asked == expected)
    with page.expect_download() as download:
        page.click("#play-csv")
    assert len(Path(download.value.path()).read_text("utf-8").splitlines()) == 1 + len(
        game.states.score
    )


@pytest.mark.skipif(not REPLAYS, reason="no replays; set LUCY_SHARED")
def test_dropped_replays_are_shown_and_a_bad_one_refused(
    page: Any, address: str, tmp_path: Path
) -> None:
    open_page(page, f"{address}/play")
    wrong = tmp_path / "wrong.replay"
    wrong.write_bytes(b"no replay")
    page.set_input_files("#play-upload input[type=file]", str(wrong))
    page.wait_for_selector("#play-notice >> text=is no Rocket League replay")
    for replay in REPLAYS:
        page.set_input_files("#play-upload input[type=file]", str(replay))
        until(page, f"document.querySelector('#play-source')?.value.includes('{replay.name}')")
        query(page, lambda asked: re.fullmatch(r"u[0-9a-f]{16}", asked.get("source", "")))
        drawn(page, "#play-timeline")
        until(page, "window.lucy && lucy.play.look() && lucy.play.look().cars === 4")


@pytest.mark.skipif(not REPLAYS, reason="no replays; set LUCY_SHARED")
def test_imported_replays_are_scored_by_any_reward(page: Any, world: World, address: str) -> None:
    recordings = Sources.of(world.store, world.folder).recordings
    imported = [source for source in recordings.sources() if source.kind == "file"]
    assert len(imported) == len(REPLAYS)
    for source, spec in zip(imported, ("nexto", "lucy-linear"), strict=True):
        game = recordings.game(source.key, 0)
        open_page(page, f"{address}/play?source={source.key}&spec={spec}&style=sum")
        until(page, f"window.lucy && lucy.play.look()?.cars === {len(game.cars)}")
        drawn(page, "#play-timeline")
        paid = np.nansum(recordings.evaluation(game, spec).decomposition.reward[:, 0], axis=0)
        ends = page.evaluate(
            "Object.fromEntries(document.querySelector('#play-figure .js-plotly-plot')._fullData"
            ".filter((line) => line.yaxis === 'y2').map((line) => [line.name, line.y.at(-1)]))"
        )
        names = recordings.evaluation(game, spec).names
        expected = {name: sum_ for name, sum_ in zip(names, paid.tolist(), strict=True) if sum_}
        assert ends == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_matchups_show_what_the_matches_say(page: Any, world: World, address: str) -> None:
    open_page(page, f"{address}/matchups")
    with Store.open(world.store) as store:
        matches = readers.read_matches(store, mode="1v1")
    page.wait_for_selector("#matchups-league .ag-row")
    text = page.inner_text("#matchups-league")
    for bot in world.bots:
        ours = matches.loc[matches["first"] == bot, "first_goals"].sum()
        ours += matches.loc[matches["second"] == bot, "second_goals"].sum()
        assert re.search(rf"{bot}[\s\S]*?{ours} : ", text)
    drawn(page, "#matchups-pairing-games")
    assert "recorded games" in page.inner_text("#matchups-pairing-recorded")
    page.get_by_text("3v3").click()
    with Store.open(world.store) as store:
        team = int(readers.read_recordings(store)["id"].max())
    page.wait_for_selector(f"#matchups-pairing-recorded a[href*='source=r{team}&']")
    query(page, lambda asked: asked.get("mode") == "3v3")
    page.get_by_text("Watch the newest").click()
    until(page, "window.lucy && lucy.play.look() && lucy.play.look().cars === 6")


def test_six_cars_play(page: Any, world: World, address: str) -> None:
    with Store.open(world.store) as store:
        team = int(readers.read_recordings(store)["id"].max())
    open_page(page, f"{address}/play?source=r{team}&view=3d")
    until(page, "lucy.play.look() && lucy.play.look().cars === 6")
    page.locator(".player button.main").click()
    until(page, "lucy.play.look().seconds > 1 && lucy.play.look().framesPerSecond > 0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(browser: Any, address: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(
        viewport={"width": 1366, "height": 860}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(WAIT)
    found = {}
    for path, drawn_whole in DRAWN.items():
        open_page(page, address + path)
        until(page, drawn_whole)
        found[path] = [
            (violation["id"], [node["html"][:160] for node in violation["nodes"][:4]])
            for violation in axe.run(page).response["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
        shown = page.evaluate("document.documentElement.dataset.mantineColorScheme")
        assert shown == scheme
    context.close()
    assert not any(found.values()), json.dumps(found, indent=1)


def test_an_empty_place_says_what_to_run(page: Any, tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "lucy.db")):
        pass
    empty = World(tmp_path, str(tmp_path / "lucy.db"), ())
    with served(empty) as url:
        for path, said in (
            ("/runs", "lucy train --preset lucy-cpu"),
            ("/reward", "lucy train --preset lucy-cpu"),
            ("/play", "lucy replays import"),
            ("/matchups", "lucy match"),
        ):
            page.goto(url + path)
            page.wait_for_selector(f"#content >> text={said}")


def test_a_store_that_is_missing_is_named_and_the_rest_goes_on(page: Any, tmp_path: Path) -> None:
    with served(World(tmp_path, str(tmp_path / "lucy.db"), ())) as url:
        page.goto(f"{url}/runs")
        page.wait_for_selector("#content >> text=there is no such file")
        page.get_by_role("link", name="Shapes").click()
        until(page, "window.lucy && lucy.shapes && lucy.shapes.look().panels[0]?.surface")


def test_shapes_are_seen_from_the_side(page: Any, address: str) -> None:
    open_page(page, f"{address}/shapes?a=distance_player_to_ball&plane=yz&moved=ball")
    until(page, "lucy.shapes.look().panels[0]?.surface")
    surface = page.evaluate(
        "(() => { const s = lucy.shapes.look().panels[0].surface;"
        "return { axes: s.axes, x: s.x, y: s.y }; })()"
    )
    assert surface == {"axes": "yz", "x": [-6000, 6000], "y": [0, 2044]}
    box = page.locator("canvas.stage").bounding_box()
    ball = page.evaluate(
        "(() => { const l = lucy.shapes.look();"
        "return l.panels[0].view.to(l.scene.ball[1], l.scene.ball[2]); })()"
    )
    page.mouse.move(box["x"] + ball[0], box["y"] + ball[1])
    page.mouse.down()
    page.mouse.move(box["x"] + ball[0], box["y"] + ball[1] - 80, steps=4)
    page.mouse.up()
    until(page, "lucy.shapes.look().scene.ball[2] > 300")
    assert page.evaluate("lucy.shapes.look().scene.ball[0]") == 0
    query(page, lambda asked: asked.get("plane") == "yz")


def test_a_run_deleted_while_it_is_shown_is_missed_and_the_rest_goes_on(
    page: Any, own_world: World
) -> None:
    with Store.open(own_world.store) as store, served(own_world) as url:
        open_page(page, f"{url}/runs?runs=2")
        page.wait_for_selector("#runs-header >> text=#2")

        def forget(connection: Any) -> None:
            connection.execute(delete(RatingRow).where(RatingRow.run_id == 2))
            connection.execute(delete(RunIteration).where(RunIteration.run_id == 2))
            connection.execute(delete(Run).where(Run.id == 2))

        store.database.write(forget)
        page.wait_for_selector("#runs-header >> text=There is no run 2 in the store any more")
        page.locator(".ag-row[row-id='1'] .ag-cell").first.click()
        page.wait_for_selector("#runs-header >> text=#1")


def test_recordings_that_go_away_leave_the_page(page: Any, own_world: World) -> None:
    with served(own_world) as url:
        open_page(page, f"{url}/play?source=r999")
        page.wait_for_selector("#play-notice >> text=not known here")
        assert page.locator("#play-source").count() == 1
        open_page(page, f"{url}/play?source=r1")
        drawn(page, "#play-timeline")
        for file in own_world.folder.glob("*.npz"):
            file.unlink()
        page.get_by_text("adding up").click()
        page.wait_for_selector("#play-timeline-notice >> text=went away")
        page.get_by_role("link", name="Runs").click()
        page.wait_for_selector("#runs-header >> text=#2")


def test_stores_that_break_are_named_and_the_rest_goes_on(page: Any, own_world: World) -> None:
    path = Path(own_world.store)
    whole = path.read_bytes()
    older = path.with_name("older.db")
    shutil.copyfile(path, older)
    with sqlite3.connect(older) as database:
        database.execute("UPDATE lucy_schema SET version = 0")
    database.close()
    for content, said in (
        (b"", "the database is empty"),
        (older.read_bytes(), "expected a store"),
        (whole[: len(whole) // 2], "malformed"),
        (b"half" * 2000, "expected an SQLite database"),
    ):
        path.unlink()
        path.write_bytes(content)
        with served(own_world) as url:
            for place in ("runs", "matchups"):
                open_page_of_trouble(page, f"{url}/{place}", said)
            open_page(page, f"{url}/play")  # which finds the files
            drawn(page, "#play-timeline")


def open_page_of_trouble(page: Any, url: str, said: str) -> None:
    page.goto(url)
    page.wait_for_selector(f"#content >> text={said}")


def test_light_turns_dark_and_stays(page: Any, address: str) -> None:
    open_page(page, f"{address}/runs")
    drawn(page, "#runs-figure")
    scheme = "document.documentElement.dataset.mantineColorScheme"
    ground = "getComputedStyle(document.querySelector('.mantine-Paper-root')).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_label("Light or dark").click()
    until(page, f"{scheme} === 'dark' && {ground} !== '{light}'")
    page.reload()
    page.wait_for_selector("#content h1", state="attached")
    assert page.evaluate(scheme) == "dark"


def test_figures_are_exported_as_pictures(page: Any, address: str) -> None:
    for path, name in (("/runs", "runs-figure"), ("/matchups", "matchups-matrix")):
        open_page(page, address + path)
        drawn(page, f"#{name}")
        page.hover(f"#{name}")
        with page.expect_download() as download:
            page.locator(f"#{name} .modebar-btn").first.dispatch_event("click")
        assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
        assert download.value.suggested_filename.startswith("lucy-")
        assert page.locator(f"#{name} .modebar-btn[data-title*='Share']").count() == 0
