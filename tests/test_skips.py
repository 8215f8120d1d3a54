"""`--no-skips`: where everything is installed that the tests need, a skipped one fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import skips

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

def test_needs_a_program():
    pytest.skip("no such program")

@pytest.mark.skipif(True, reason="no replays at there; set LUCY_SHARED to their folder")
def test_needs_data():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_is_known_to_fail():
    assert False
"""


def outcome(folder: Path, shared: Path, *options: str) -> str:
    """What pytest says of these tests and of a file that needs a module."""
    (folder / "test_some.py").write_text(TESTS, "utf-8")
    (folder / "test_file.py").write_text("import pytest\npytest.importorskip('no_such')\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:dash", "-ra"]
    done = subprocess.run(
        [*command, "--continue-on-collection-errors", *options, "."],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "LUCY_SHARED": str(shared), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_skips_fail_where_none_is_expected(tmp_path: Path) -> None:
    assert " 3 skipped, 1 xfailed in " in outcome(tmp_path, tmp_path)
    strict = outcome(tmp_path, tmp_path, "--no-skips", "-n1")
    assert " 1 failed, 1 xfailed, 2 errors in " in strict
    assert "skipped: no such program (tests/skips.py lists what may be skipped)" in strict
    assert "skipped: could not import 'no_such'" in strict
    without_data = outcome(tmp_path, tmp_path / "nowhere", "--no-skips")
    assert " 1 failed, 1 skipped, 1 xfailed, 1 error in " in without_data


def test_a_listed_skip_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ("tests/a.py::test_b*", "no GPU", "few machines have one")
    monkeypatch.setattr(skips, "ALLOWED", [listed])
    assert skips.is_allowed("tests/a.py::test_b[cuda]", "no GPU", ROOT)
    assert not skips.is_allowed("tests/a.py::test_c", "no GPU", ROOT)
    assert not skips.is_allowed("tests/a.py::test_b[cuda]", "no Chromium", ROOT)
