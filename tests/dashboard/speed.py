"""How fast the dashboard is, measured in Chromium on a store that `big_store.py` made.

python tests/dashboard/speed.py FOLDER [--viewers 20] [--repeat 5]

A page is usable when its last figure is drawn; an interaction is done when the figure or canvas
that it changes was drawn anew; where it changes several, the one next to what was clicked, and
all of them are told apart. The other viewers are requests that a browser of theirs makes:
each opens a page, looks at it for a few ticks, and opens the next.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Page, Request, sync_playwright

from lucy.agent.store import ComponentStatistics, Iteration, Store

_TICK = 2.0  # s between looks at the store, as the pages have it
_TICKS = 3  # that a viewer looks at a page for
_READY = {
    "/runs": "$('#runs-figure .main-svg') && $('.ag-row')",
    "/reward": "$('#reward-figure .main-svg') && $('#reward-correlation .main-svg')",
    "/shapes": "window.lucy?.shapes?.look().panels[0]?.surface",
    "/play": "window.lucy?.play?.look()?.cars && $('#play-figure .main-svg')",
    "/matchups": (
        "$('#matchups-goals .main-svg') && $('#matchups-matrix .main-svg')"
        " && $('#matchups-league .ag-row')"
    ),
}
_NAMES = {
    "/runs": "Runs, one of 200 open",
    "/reward": "Reward, with a recorded game of six cars",
    "/shapes": "Shapes",
    "/play": "Play, six cars",
    "/matchups": "Matchups, a pairing of 1 700 games open",
}
_HELP = r"""
const $ = (selector) => document.querySelector(selector);
const label = (text) =>
  [...document.querySelectorAll('label')].find((l) => l.innerText.trim() === text);
const until = async (what) => {
  const begun = performance.now();
  while (!what()) {
    if (performance.now() - begun > 20000) throw new Error('not within 20 s: ' + what);
    await new Promise((next) => requestAnimationFrame(next));
  }
};
const plot = (selector) => $(selector + ' .js-plotly-plot')?.calcdata;
const drawn = (selector) => {
  const before = plot(selector);
  return () => plot(selector) && plot(selector) !== before;
};
const whole = (selector) =>
  Object.entries($(selector + ' .js-plotly-plot')._fullLayout).every(
    ([name, axis]) => !/^yaxis\d*$/.test(name) || axis.visible
  );
const table = () => $('#matchups-league .ag-center-cols-container')?.innerText;
// At the end of the frame in which `until` saw it, before anything that waits for that frame
const shown = () => new Promise((done) => {
  const channel = new MessageChannel();
  channel.port1.onmessage = done;
  channel.port2.postMessage(null);
});
"""
# What is done, and what then must have happened
_INTERACTIONS = {
    "/runs": {
        "Runs: other curves": (
            "const d = drawn('#runs-figure'); label('%PPO health|Play%').click(); await until(d)"
        ),
        "Runs: steps to hours": (
            "const d = drawn('#runs-figure'); label('%by hours|by steps%').click(); await until(d)"
        ),
        "Runs: another run in its place": (
            "const d = drawn('#runs-figure'); "
            "$(`.ag-row[row-index='%3|4%'] .ag-cell`).click(); await until(d)"
        ),
        "Runs: another run beside it": (
            "const d = drawn('#runs-figure'); "
            "$(`.ag-row[row-index='%5|6%'] .ag-checkbox-input`).click(); await until(d)"
        ),
        "Runs: another run beside it, to its last panel": (
            "const d = drawn('#runs-figure'); "
            "$(`.ag-row[row-index='%7|8%'] .ag-checkbox-input`).click(); "
            "await until(() => d() && whole('#runs-figure'))"
        ),
    },
    "/reward": {
        "Reward: another statistic": (
            "const d = drawn('#reward-figure'); label('%Paid|Share%').click(); await until(d)"
        )
    },
    "/shapes": {
        "Shapes: a slider turned": (
            "const one = () => lucy.shapes.look().panels[0].surface; const before = one(); "
            "const knob = $('.knob input'); knob.value = '%0.2|0.6%'; "
            "knob.dispatchEvent(new Event('input')); await until(() => one() !== before)"
        )
    },
    "/play": {
        "Play: a jump": (
            "const bar = $('.player input[type=range]'); bar.value = '%90|30%'; "
            "bar.dispatchEvent(new Event('input')); "
            "await until(() => Math.abs(lucy.play.look().seconds - %90|30%) < 0.1)"
        ),
        "Play: another timeline": (
            "const d = drawn('#play-figure'); label('%adding up|a second%').click(); await until(d)"
        ),
    },
    "/matchups": {
        "Matchups: another mode": (
            "const t = table(), d = drawn('#matchups-matrix'); label('%2v2|1v1%').click(); "
            "await until(() => table() !== t && d())"
        ),
        "Matchups: another mode, to its last figure": (
            "const all = ['ratings', 'games', 'goals'].map((n) => drawn('#matchups-' + n)); "
            "label('%3v3|1v1%').click(); await until(() => all.every((d) => d()))"
        ),
    },
}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A dashboard in a process of its own."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    lucy = shutil.which("lucy", path=str(Path(sys.executable).parent)) or "lucy"
    told = ["--store", str(folder / "lucy.db"), "--runs", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        [lucy, "dashboard", *told], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/runs", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def usable(page: Page, url: str, path: str) -> float:
    """Seconds until a page is there."""
    begun = time.perf_counter()
    page.goto(url + path, wait_until="commit")
    page.evaluate(f"(async () => {{ {_HELP} await until(() => {_READY[path]}); }})()")
    seconds = time.perf_counter() - begun
    print(path, round(seconds, 2), file=sys.stderr)
    return seconds


def interactions(page: Page, path: str, repeat: int) -> dict[str, list[float]]:
    """Seconds that each interaction of a page takes."""
    found: dict[str, list[float]] = {}
    page.mouse.click(2, 2)  # a viewer's; clicks of scripts are not seen by all
    for name, script in _INTERACTIONS[path].items():
        for i in range(repeat):
            parts = script.split("%")
            parts[1::2] = [part.split("|")[i % 2] for part in parts[1::2]]
            page.wait_for_timeout(400)
            milliseconds = page.evaluate(
                f"(async () => {{ {_HELP} const begun = performance.now(); "
                f"{''.join(parts)}; await shown(); return performance.now() - begun; }})()"
            )
            found.setdefault(name, []).append(milliseconds / 1000)
        print(name, found[name], file=sys.stderr)
    return found


def live(page: Page, url: str, folder: Path) -> list[float]:
    """Seconds until a new iteration is seen."""
    found = []
    nothing = {"a": ComponentStatistics(0.1, 0.1, 1.0, 5, 0, 0.1)}
    with Store.open(str(folder / "lucy.db")) as store:
        writer = store.start_run(folder / "live", config={})
        writer.add_iterations([Iteration(100, {"game/speed": 1.0}, nothing, time.time())])
        page.goto(f"{url}/runs?runs={writer.id}")
        page.wait_for_selector(f"#runs-header >> text=live #{writer.id}")
        for i in range(3):
            steps = 1000 + i
            writer.add_iterations([Iteration(steps, {"game/speed": 2.0}, nothing, time.time())])
            begun = time.perf_counter()
            page.wait_for_selector(f"#runs-header >> text={steps:,}")
            found.append(time.perf_counter() - begun)
    return found


def playback(page: Page, url: str) -> float:
    """Frames a second of six cars in space."""
    usable(page, url, "/play")
    page.locator(".player select").nth(0).select_option("3d")
    page.locator(".player button.main").click()
    page.wait_for_timeout(5000)
    return page.evaluate("lucy.play.look().framesPerSecond")


def requests_of(page: Page, url: str) -> dict[str, tuple[list[tuple[str, Any]], list[Any]]]:
    """What a browser asks for: as each page opens, and at every tick."""
    asked: dict[str, tuple[list[tuple[str, Any]], list[Any]]] = {}
    for path in _READY:
        opening: list[tuple[str, Any]] = []
        ticks: list[Any] = []
        into = [opening]

        def keep(request: Request, into: list[Any] = into) -> None:
            if "/_dash-component-suites/" not in request.url and "/assets/" not in request.url:
                into[0].append((request.url, request.post_data_buffer))

        page.on("request", keep)
        usable(page, url, path)
        into[0] = ticks
        page.wait_for_timeout(_TICK * 1000 + 300)
        page.remove_listener("request", keep)
        asked[path] = opening, ticks
    return asked


def look_around(asked: Any, stop: threading.Event, first: int) -> None:
    """One more viewer, until `stop`."""
    pages = list(asked.values())
    while not stop.is_set():
        opening, ticks = pages[first % len(pages)]
        first += 1
        for target, body in opening:
            _ask(target, body)
        for _ in range(_TICKS):
            if stop.wait(_TICK):
                return
            for target, body in ticks:
                _ask(target, body)


def _ask(target: str, body: bytes | None) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(target, body, headers), timeout=60
        ) as answer:
            answer.read()
    except OSError as error:
        print(f"{target}: {error}", file=sys.stderr)


def measure(page: Page, url: str, repeat: int) -> dict[str, list[float]]:
    """Every page and interaction."""
    found: dict[str, list[float]] = {}
    for path, name in _NAMES.items():
        found[name] = [usable(page, url, path) for _ in range(repeat)]
        try:
            found |= interactions(page, path, repeat)
        except Error as error:  # the others are measured nevertheless
            print(f"{path}: {error}", file=sys.stderr)
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    chromium = os.environ.get("LUCY_CHROMIUM") or shutil.which("chromium")
    with served(told.folder) as url, sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1366, "height": 860})
        page.set_default_timeout(60_000)
        first = {f"first {path}": [usable(page, url, path)] for path in _READY}
        alone = measure(page, url, told.repeat)
        alone["Live: a new iteration shown"] = live(page, url, told.folder)
        frames = playback(page, url)
        crowded: dict[str, list[float]] = {}
        if told.viewers > 1:
            asked = requests_of(page, url)
            stop = threading.Event()
            others = [
                threading.Thread(target=look_around, args=(asked, stop, i), daemon=True)
                for i in range(told.viewers - 1)
            ]
            for other in others:
                other.start()
            crowded = measure(page, url, told.repeat)
            stop.set()
        browser.close()
    print(f"| | median (worst) | with {told.viewers} viewers |\n| --- | --- | --- |")
    for name, seconds in (first | alone).items():
        print(f"| {name} | {_both(seconds)} | {_both(crowded.get(name, []))} |")
    print(f"| playback of six cars in 3D | {frames:.0f} frames/s | |")
    if told.json:
        told.json.write_text(json.dumps({"alone": first | alone, "crowded": crowded}), "utf-8")


def _both(seconds: list[float]) -> str:
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.2f} s ({max(seconds):.2f} s)"


if __name__ == "__main__":
    main()
