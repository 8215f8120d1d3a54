"""A store and recordings as trainings, matches and replays leave them, made once."""

import os
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from waitress.server import create_server

from lucy.agent.config import load_preset
from lucy.agent.match import play
from lucy.agent.match_recording import MatchRecording
from lucy.agent.match_report import to_matches
from lucy.agent.opponents import make_bot
from lucy.agent.store import Rating, Store
from lucy.agent.tournament import arrange
from lucy.agent.tournament_report import keep_ratings, report
from lucy.agent.train import train
from lucy.dashboard.app import create_app
from lucy.dashboard.data.sources import Sources
from lucy.dashboard.security import LOCAL
from lucy.sim.replay_import import import_replays

from ..conftest import SHARED
from ..waiting import HANG

SECONDS = 25.0  # of a match
TINY = {
    "steps": 640,
    "environment.arenas": 4,
    "environment.processes": 1,
    "environment.no_touch_timeout": 0.5,
    "ppo.n_steps": 8,
    "ppo.batch_size": 32,
    "network.width": 8,
    "network.feedforward": 8,
}
CHROMIUM = os.environ.get("LUCY_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WAIT = 1000 * HANG  # ms
REPLAYS = sorted((SHARED / "replays").glob("*-*-*.replay"))  # ordinary games of 2v2
REPLAY = REPLAYS[0] if REPLAYS else SHARED / "replays" / "none.replay"


class World(NamedTuple):
    """What the dashboard of a test shows."""

    folder: Path
    store: str
    bots: tuple[str, ...]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A short training, a small tournament, and recordings of it; not to be changed."""
    folder = tmp_path_factory.mktemp("dashboard") / "runs"
    store = str(folder / "lucy.db")
    train(load_preset("lucy-cpu", TINY), folder / "tiny", store=store)
    train(load_preset("lucy-cpu", TINY | {"seed": 1}), folder / "other", store=store)
    bots = _bots()
    with Store.open(store) as kept:
        for i, first in enumerate(bots):
            for second in bots[:i]:
                _match(kept, folder / f"{first}-{second}.npz", first, second, "1v1")
        _match(kept, folder / "team.npz", bots[-1], "chaser", "3v3")
        tournament = replace(arrange(bots, games=2), seconds=SECONDS)
        tournament.play(kept, lambda _: None)
        keep_ratings(report(tournament, kept), kept)
        kept.add_ratings([Rating("tiny", "1v1", 24.5, 1.5, 4, run=1, steps=640)])
    list(import_replays(REPLAYS, folder / "replays"))
    return World(folder, store, bots)


def _bots() -> tuple[str, ...]:
    weights = SHARED / "opponents"
    if not weights.is_dir():
        return "random", "chaser"
    os.environ["LUCY_BOTS"] = str(weights)
    return "chaser", "necto", "nexto"


def _match(store: Store, path: Path, first: str, second: str, mode: str) -> None:
    recording = MatchRecording(path, mode, 2, 5, SECONDS)
    bots = make_bot(first), make_bot(second)
    record: Any = recording.recorder.append
    result = play(*bots, mode=mode, games=2, seed=5, seconds=SECONDS, record=record)
    recording.save(result)
    store.add_matches(to_matches(result, 5, store.add_recording(recording.entry(result))))


@pytest.fixture(scope="session")
def sources(world: World) -> Sources:
    """What the pages read from."""
    return Sources.of(world.store, world.folder)


@pytest.fixture
def own_world(world: World, tmp_path: Path) -> World:
    """A copy of the store and recordings that may be broken."""
    folder = tmp_path / "runs"
    folder.mkdir()
    for file in world.folder.iterdir():
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
    with sqlite3.connect(folder / "lucy.db") as database:
        moved = str(world.folder), str(folder)
        database.execute("UPDATE recordings SET path = replace(path, ?, ?)", moved)
    database.close()
    return World(folder, str(folder / "lucy.db"), world.bots)


@pytest.fixture
def client(world: World) -> Any:
    """Requests to a dashboard, without a browser."""
    return create_app(world.store, world.folder, hosts=LOCAL).server.test_client()


@pytest.fixture(scope="session")
def address(world: World) -> Iterator[str]:
    """A dashboard that is served."""
    with served(world) as url:
        yield url


class served:  # noqa: N801  # reads as what it is: `with served(world) as url`
    """Serves a dashboard for the length of a context."""

    def __init__(self, world: World) -> None:
        app = create_app(world.store, world.folder, hosts=LOCAL)
        self._server = create_server(app.server, host="127.0.0.1", port=free_port(), threads=8)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._server.run()
        except OSError:  # it was closed below
            return

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.effective_port}"

    def __exit__(self, *_: object) -> None:
        self._server.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(
            executable_path=CHROMIUM,
            timeout=WAIT,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose console must stay free of errors."""
    context = browser.new_context(
        viewport={"width": 1366, "height": 860}, color_scheme="light", accept_downloads=True
    )
    one = context.new_page()
    one.set_default_timeout(WAIT)
    errors: list[str] = []
    one.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    one.on("pageerror", lambda error: errors.append(str(error)))

    yield one
    context.close()
    assert errors == []
