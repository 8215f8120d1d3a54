"""Where addresses lead: the one that `lucy dashboard` prints, and those that nothing is at."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lucy.agent.cli_dashboard import dashboard as dashboard_command
from lucy.dashboard.app import create_app
from lucy.dashboard.serve import PASSWORD, address

from .conftest import CHROMIUM, WAIT, free_port

PAGES = ("/runs", "/reward", "/shapes", "/play", "/matchups")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Requests to the dashboard of an empty folder."""
    folder = tmp_path_factory.mktemp("runs")
    return create_app(str(folder / "lucy.db"), folder).server.test_client()


@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/", "/runs"),
        ("/?runs=1%2C2&show=ppo", "/runs?runs=1%2C2&show=ppo"),
        ("/runs/", "/runs"),
        ("/reward//?run=1", "/reward?run=1"),
        ("//evil.example/", "/runs"),
        ("/?a=%0d%0aSet-Cookie:b", "/runs?a=%0d%0aSet-Cookie:b"),
    ],
)
def test_some_addresses_lead_to_a_page(client: Any, asked: str, led_to: str) -> None:
    for request in (client.get, client.head):
        answer = request(asked)
        assert (answer.status_code, answer.headers["Location"]) == (302, led_to)


@pytest.mark.parametrize("path", PAGES)
def test_pages_answer(client: Any, path: str) -> None:
    assert client.get(path).status_code == client.head(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/nowhere", "/nowhere/", "/runs/1", "/_dash-nothing", "/api/nothing", "/Runs"]
)
def test_where_nothing_is_the_answer_says_so(client: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == client.head(path).status_code == 404
    assert b"react-entry-point" in answer.data  # the shell, with the way to all pages
    assert client.post(path).status_code == 405


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        ("127.0.0.1", "http://127.0.0.1:8050"),
        ("localhost", "http://localhost:8050"),
        ("my-machine.local", "http://my-machine.local:8050"),
        ("192.168.0.7", "http://192.168.0.7:8050"),
        ("0.0.0.0", "http://127.0.0.1:8050"),
        ("::", "http://[::1]:8050"),
        ("::1", "http://[::1]:8050"),
        ("2001:DB8::7", "http://[2001:db8::7]:8050"),
    ],
)
def test_the_address_is_one_that_a_browser_opens(host: str, opened: str) -> None:
    assert address(host, 8050) == opened


@contextmanager
def dashboard(folder: Path, *options: str, **environment: str) -> Iterator[tuple[str, str]]:
    """The command, running: all that it printed up to its address, and that address."""
    code = "from lucy.agent.cli import main; main()"
    command = [sys.executable, "-c", code, "dashboard", "--runs", str(folder), *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "40", **environment},
    )
    assert process.stdout is not None
    try:
        said = ""
        while not (found := re.search(r"^(http\S+)\n", said, re.MULTILINE)):
            line = process.stdout.readline()
            assert line, f"ended without an address: {said}"
            said += line
        yield said, found[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


browsing = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium; install one, or name one with LUCY_CHROMIUM"
)


@browsing
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_the_printed_address_shows_the_runs(browser: Any, tmp_path: Path, host: str) -> None:
    options = ("--host", host, "--port", str(free_port()))
    with dashboard(tmp_path, *options, **{PASSWORD: "sesame"}) as (said, url):
        assert str(tmp_path / "lucy.db") in said.replace("\n", "")
        context = browser.new_context(http_credentials={"username": "me", "password": "sesame"})
        page = context.new_page()
        answer = page.goto(url)
        page.wait_for_selector("#content >> text=there is no such file", timeout=WAIT)
        assert answer.status == 200
        assert page.url == f"{url}/runs"
        context.close()


@browsing
def test_a_page_that_is_not_there_leads_to_those_that_are(browser: Any, tmp_path: Path) -> None:
    with dashboard(tmp_path, "--port", str(free_port())) as (_, url):
        page = browser.new_page()
        page.set_default_timeout(WAIT)
        answer = page.goto(f"{url}/<b>no</b>")
        page.wait_for_selector("#content >> text=There is no such page")
        assert answer.status == 404
        page.get_by_role("link", name="Runs").click()
        page.wait_for_selector("#content >> text=there is no such file")
        page.goto(f"{url}/shapes")
        page.wait_for_selector("#content h1")
        # As a link within the app goes there, without asking the server
        page.evaluate(
            "history.pushState({}, '', '/'); dispatchEvent(new Event('_dashprivate_pushstate'))"
        )
        page.wait_for_selector("#content >> text=there is no such file")
        assert page.get_by_role("link", name="Runs").locator("[aria-current=page]").count() == 1
        page.close()


def test_no_address_is_printed_where_none_is_listened_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, environment, said in (
            (("--port", port), {}, rf"127\.0\.0\.1:{port} cannot .*Choose another --port"),
            (("--host", "203.0.113.7"), {PASSWORD: "x"}, "an address of this machine"),
            (("--host", "no such host"), {PASSWORD: "x"}, "--host no such host is no name"),
        ):
            code = "from lucy.agent.cli import main; main()"
            ended = subprocess.run(
                [sys.executable, "-c", code, "dashboard", "--runs", str(tmp_path), *options],
                capture_output=True,
                text=True,
                env={**os.environ, **environment},
            )
            assert (ended.returncode, ended.stdout) == (1, "")
            assert re.fullmatch(rf"lucy: .*{said}.*\n", ended.stderr), ended.stderr


def test_a_password_in_a_database_address_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def listening(store: str, folder: Path, host: str, port: int, tell: Any) -> None:
        tell(address(host, port))

    monkeypatch.setattr("lucy.dashboard.serve.serve", listening)
    monkeypatch.setattr("lucy.agent.store.check_url", lambda url: None)  # its driver is an extra
    dashboard_command(tmp_path, "postgresql://lucy:secret@server/lucy", "127.0.0.1", 8050)
    out = capsys.readouterr().out
    assert "postgresql://lucy:***@server/lucy" in out
    assert out.endswith("\nhttp://127.0.0.1:8050\n")
