"""Nobody gets in who should not, and nothing that a browser sends reaches disk or database."""

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucy.dashboard.app import create_app
from lucy.dashboard.data.errors import DataError
from lucy.dashboard.data.sources import Sources
from lucy.dashboard.data.uploads import Uploads
from lucy.dashboard.security import LOCAL, MAX_BODY
from lucy.dashboard.serve import PASSWORD, ServeError, check_host, is_local, serve
from lucy.sim.replays import MAX_REPLAY_BYTES

from .conftest import REPLAY, World

NASTY = (
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "C:\\Windows\\win.ini",
    "r1' OR '1'='1",
    "r1; DROP TABLE runs",
    "\x00",
    "os:system",
)


def data_url(data: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()


def test_a_public_bind_needs_a_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    with pytest.raises(ServeError, match=r"0\.0\.0\.0 lets other machines in.*LUCY_DASHBOARD_PASS"):
        serve(str(tmp_path / "lucy.db"), tmp_path, "0.0.0.0", 8059)
    for host in ("127.0.0.1", "localhost", "::1"):
        check_host(host, None)
        assert is_local(host)
    check_host("0.0.0.0", "secret")
    with pytest.raises(ServeError, match="no password"):
        check_host("192.168.0.7", "")


def test_every_answer_asks_for_the_password(world: World) -> None:
    client = create_app(world.store, world.folder, password="tö-secret").server.test_client()
    for path in ("/runs", "/_dash-layout", "/api/play/r1/0", "/assets/lucy.js", "/api/shapes"):
        assert client.get(path).status_code == 401
        assert client.get(path, auth=("anyone", "wrong")).status_code == 401
    header = "Basic " + base64.b64encode("me:tö-secret".encode()).decode()
    assert client.get("/runs", headers={"Authorization": header}).status_code == 200
    for broken in ("Basic ???", "Bearer x", "Basic"):
        assert client.get("/runs", headers={"Authorization": broken}).status_code == 401


def test_another_name_for_this_machine_is_refused(client: Any) -> None:
    assert client.get("/runs", headers={"Host": "evil.example:8050"}).status_code == 421
    for host in ("localhost:8050", "127.0.0.1", "[::1]:8050"):
        assert client.get("/runs", headers={"Host": host}).status_code == 200


def test_headers_keep_the_browser_in_bounds(client: Any) -> None:
    headers = client.get("/runs").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert "'unsafe-eval'" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("nasty", NASTY)
def test_no_path_and_no_sql_gets_through(client: Any, sources: Sources, nasty: str) -> None:
    answer = client.get(f"/api/play/{nasty}/0")
    # Further slashes make it the address of a page, which is the same for all
    assert answer.status_code in (400, 404) or answer.data.startswith(b"<!DOCTYPE html>")
    with pytest.raises(DataError):
        sources.recordings.game(nasty, 0)
    with pytest.raises(DataError):
        sources.specs.get(nasty)
    request = {
        "reward": nasty,
        "scene": {"ball": [0, 0, 93], "ball_velocity": [0, 0, 0]}
        | {"car": [0, 0, 17], "car_velocity": [0, 0, 0]},
    }
    assert client.post("/api/shape", json=request).status_code == 400
    games = sources.matchups.games(nasty, (nasty, nasty))
    assert games.empty
    assert len(sources.runs.summaries()) == 2


def test_a_shape_that_is_no_shape_is_refused(client: Any) -> None:
    scene = {"ball": [0, 0, 93], "ball_velocity": [0, 0, 0], "car": [0, 0, 17]}
    scene["car_velocity"] = [0, 0, 0]
    good = {"reward": "lucy-skg", "scene": scene}
    assert client.post("/api/shape", json=good).status_code == 200
    for wrong, said in (
        ({"scene": scene | {"ball": [9e9, 0, 0]}}, b"scene.ball.0"),
        ({"scene": scene | {"opponents": [[0, 0, 17]] * 50}}, b"scene.opponents"),
        ({"knobs": {"potential.0.__class__": 1.0}}, b"could be turned"),
        ({"knobs": {"potential.0.offense_dispersion": -1.0}}, b"offense_dispersion"),
        ({"term": "no such"}, b"no term is called"),
        ({"more": 1}, b"more"),
    ):
        answer = client.post("/api/shape", json=good | wrong)
        assert (answer.status_code, said in answer.data) == (400, True), answer.data
    nan = json.dumps(good).replace("93", "NaN")
    assert client.post("/api/shape", data=nan).status_code == 400


def test_a_body_may_not_be_huge(client: Any) -> None:
    answer = client.post("/api/shape", data=b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413


def test_drops_that_are_no_replays_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("state/ball_position.npy", np.zeros(50_000_000, np.uint8).tobytes())
    uploads = Uploads()
    start = REPLAY.read_bytes()[:40_000] if REPLAY.exists() else b"TAGame.Replay_Soccar_TA"
    for content, said in (
        ("", "Nothing was received"),
        ("data:;base64,§§§", "damaged"),
        (data_url(b"hello"), "is no Rocket League replay"),
        (data_url(bomb.read_bytes()), "is no Rocket League replay"),
        (data_url(start), "The replay"),
        ("data:;base64," + "A" * (MAX_REPLAY_BYTES * 4 // 3 + 8), "over 32 MiB"),
    ):
        with pytest.raises(DataError, match=said):
            uploads.add("../../x.replay", content)
    assert uploads.all() == {}


@pytest.mark.skipif(not REPLAY.exists(), reason="no replays; set LUCY_SHARED")
def test_a_replay_that_takes_too_long_is_given_up() -> None:
    uploads = Uploads(seconds=0.01)
    with pytest.raises(DataError, match=r"was not read within 0\.01 s"):
        uploads.add("game.replay", data_url(REPLAY.read_bytes()))


def test_the_dashboards_hosts_are_this_machine() -> None:
    assert all(is_local(host) for host in LOCAL)
