"""`--no-skips`: a skipped test fails, for where everything is there that the tests need."""

from collections.abc import Generator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from .shared import SHARED

# What may be skipped all the same: the test, what it says, and why that is all right
ALLOWED: list[tuple[str, str, str]] = []
# Reference data is no part of the project; a test that lacks it says where it looked
NO_DATA = "*; set LUCY_SHARED*"


def is_allowed(test: str, reason: str, shared: Path) -> bool:
    """Whether a test may be skipped for a reason, where the reference data is in `shared`."""
    if fnmatch(reason, NO_DATA):
        return not shared.is_dir()
    return any(fnmatch(test, tests) and fnmatch(reason, said) for tests, said, _ in ALLOWED)


def judged(config: pytest.Config, report: Any) -> Any:
    """The report of a test or a file, failed where it should not have been skipped."""
    if report.skipped and isinstance(report.longrepr, tuple) and config.getoption("--no-skips"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not is_allowed(report.nodeid, reason, SHARED):
            report.outcome = "failed"
            report.longrepr = f"skipped: {reason} (tests/skips.py lists what may be skipped)"
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail tests that would be skipped")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    return judged(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    return judged(collector.config, (yield))
