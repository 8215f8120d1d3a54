"""The demo report is one offline page that carries its data safely and exactly enough."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from lucy.agent.demo_report import PADS, Clip, write_report

HOSTILE = "</script><script>alert('1')</script> & \"{{data}}\""


def make_clip(frames: int = 5, cars: int = 4) -> Clip:
    rng = np.random.default_rng(0)
    forward = rng.normal(size=(frames, cars, 3))
    return Clip(
        ball_position=rng.uniform(-5000, 5000, (frames, 3)),
        car_position=rng.uniform(-5000, 5000, (frames, cars, 3)),
        car_forward=forward / np.linalg.norm(forward, axis=-1, keepdims=True),
        car_boost=rng.uniform(0, 1, (frames, cars)),
        car_is_demoed=rng.random((frames, cars)) < 0.3,
        car_team=np.arange(cars) % 2,
        score=np.cumsum(rng.integers(0, 2, (frames, 2)), axis=0),
        boost_pad_active=rng.random((frames, PADS)) < 0.5,
        cut=np.arange(frames) == 0,
        names=("lucy", "random"),
    )


def make_pads() -> np.ndarray:
    pads = np.zeros((PADS, 3))
    pads[:, 2] = np.where(np.arange(PADS) < 6, 73, 70)
    return pads


def write(path: Path, **changes: Any) -> str:
    arguments: dict[str, Any] = {
        "title": "Demo",
        "summary": "Lucy learned.",
        "table": [{"Metric": "Touches", "Before": 0.512, "After": 12345.6}],
        "curves": {"game/goal_speed": ([1.0, 2.0], [3.0, 4.0])},
        "reward_shares": {"touch": ([1.0, 2.0], [0.4, 0.6])},
        "clip": make_clip(),
        "pad_positions": make_pads(),
    }
    write_report(path, **(arguments | changes))
    return path.read_text(encoding="utf-8").replace(get_plotlyjs(), "")


class Page(HTMLParser):
    """Collects the first text of each tag, the table cells and the data, and counts scripts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.scripts = 0
        self.cells: list[str] = []
        self.data: dict[str, Any] = {}
        self.texts: dict[str, str] = {}
        self._tag = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = "data" if ("id", "data") in attrs else tag
        self.scripts += tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "data":
            self.data = json.loads(data, parse_constant=pytest.fail)
        if self._tag in ("th", "td"):
            self.cells.append(data)
        self.texts.setdefault(self._tag, data)


def test_page_loads_nothing(tmp_path: Path) -> None:
    page = write(tmp_path / "demo.html")
    assert not re.search(r"https?://|@import|url\(|\bsrc\s*=|\bhref\s*=|\bfetch\(", page)
    assert "default-src 'none'" in page


def test_plotly_is_inlined_once(tmp_path: Path) -> None:
    path = tmp_path / "demo.html"
    write(path)
    assert path.read_text(encoding="utf-8").count(get_plotlyjs()) == 1


def test_strings_cannot_break_out(tmp_path: Path) -> None:
    plain = Page(write(tmp_path / "plain.html"))
    page = Page(
        write(
            tmp_path / "hostile.html",
            title=HOSTILE,
            summary=HOSTILE,
            table=[{HOSTILE: HOSTILE}],
            curves={HOSTILE: ([1], [2])},
            reward_shares={HOSTILE: ([1], [1])},
            clip=make_clip()._replace(names=(HOSTILE, HOSTILE)),
        )
    )
    assert page.scripts == plain.scripts
    assert page.texts["title"] == page.texts["h1"] == page.texts["p"] == HOSTILE
    assert page.cells == [HOSTILE, HOSTILE]
    assert list(page.data["curves"]) == list(page.data["reward_shares"]) == [HOSTILE]
    assert page.data["clip"]["names"] == [HOSTILE, HOSTILE]


def test_table_aligns_rows_and_formats_numbers(tmp_path: Path) -> None:
    table = [
        {"Metric": "Touches", "Before": 0.5123, "After": 12345.6},
        {"Metric": "Goals", "After": math.nan},
    ]
    page = Page(write(tmp_path / "demo.html", table=table))
    rows = [page.cells[start : start + 3] for start in (0, 3, 6)]
    assert rows == [
        ["Metric", "Before", "After"],
        ["Touches", "0.512", "12,346"],
        ["Goals", "\N{EN DASH}", "\N{EN DASH}"],
    ]


def test_missing_values_become_gaps(tmp_path: Path) -> None:
    curve = ([1, 2, 3, 4], [0.5, math.nan, math.inf, np.float32(-1)])
    data = Page(write(tmp_path / "demo.html", curves={"a": curve})).data
    assert data["curves"] == {"a": {"steps": [1, 2, 3, 4], "values": [0.5, None, None, -1]}}


def test_clip_survives_quantisation(tmp_path: Path) -> None:
    clip = make_clip(frames=7)
    packed = Page(write(tmp_path / "demo.html", clip=clip)).data["clip"]
    np.testing.assert_allclose(packed["ball_position"], clip.ball_position, atol=0.5)
    np.testing.assert_allclose(packed["car_position"], clip.car_position, atol=0.5)
    np.testing.assert_allclose(np.array(packed["car_forward"]) / 100, clip.car_forward, atol=0.005)
    np.testing.assert_allclose(np.array(packed["car_boost"]) / 100, clip.car_boost, atol=0.005)
    for name in ("car_is_demoed", "car_team", "score", "boost_pad_active", "cut"):
        np.testing.assert_array_equal(packed[name], getattr(clip, name))


def test_a_minute_of_four_cars_is_small(tmp_path: Path) -> None:
    page = write(tmp_path / "demo.html", clip=make_clip(frames=900))
    assert len(page) < 600_000


def test_big_pads_are_told_by_their_height(tmp_path: Path) -> None:
    pads = Page(write(tmp_path / "demo.html")).data["pads"]
    assert [pad["big"] for pad in pads] == [True] * 6 + [False] * (PADS - 6)


def test_one_frame_and_nothing_else(tmp_path: Path) -> None:
    page = Page(
        write(
            tmp_path / "demo.html", table=[], curves={}, reward_shares={}, clip=make_clip(frames=1)
        )
    )
    assert page.cells == []
    assert page.data["curves"] == page.data["reward_shares"] == {}
    assert len(page.data["clip"]["cut"]) == 1


def test_write_replaces_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "demo.html"
    path.write_text("old", encoding="utf-8")
    assert "<!doctype html>" in write(path)
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "demo.html"
    path.write_text("old", encoding="utf-8")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("ball_position", (5, 2), "(5, 3)"),
        ("car_position", (5, 3, 3), "(5, 4, 3)"),
        ("car_forward", (5, 4), "(5, 4, 3)"),
        ("car_boost", (4, 4), "(5, 4)"),
        ("car_is_demoed", (5,), "(5, 4)"),
        ("score", (2,), "(5, 2)"),
        ("boost_pad_active", (5, 33), "(5, 34)"),
        ("cut", (5, 1), "(5,)"),
        ("car_team", (4, 1), "(4,)"),
    ],
)
def test_wrong_clip_shapes(
    tmp_path: Path, name: str, shape: tuple[int, ...], expected: str
) -> None:
    clip = make_clip()._replace(**{name: np.zeros(shape)})
    message = re.escape(f"clip.{name}: expected shape {expected}, got {shape}")
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "demo.html", clip=clip)
    assert not list(tmp_path.iterdir())


def test_other_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "demo.html"
    with pytest.raises(ValueError, match=r"pad_positions: expected shape \(34, 3\), got \(34, 2\)"):
        write(path, pad_positions=np.zeros((PADS, 2)))
    with pytest.raises(ValueError, match=r"curve 'a': .* got 2 steps and 1 values"):
        write(path, curves={"a": ([1, 2], [1])})
    with pytest.raises(ValueError, match="expected at least one frame"):
        write(path, clip=make_clip(frames=0))
    with pytest.raises(ValueError, match="ball_position: expected finite numbers"):
        write(path, clip=make_clip()._replace(ball_position=np.full((5, 3), np.nan)))
