"""The rooms stand on one another in one order, and this holds them there."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What of the project each room may import; rooms that are not built yet are passed over
MAY_IMPORT = {
    "sim": {"lucy.sim"},
    "rewards": {"lucy.sim", "lucy.rewards"},
    "agent": {"lucy.sim", "lucy.rewards", "lucy.agent"},
    "benchmarks": {"lucy.sim", "lucy.rewards", "lucy.agent", "lucy.benchmarks"},
    "dashboard": {"lucy.sim", "lucy.rewards", "lucy.agent.store", "lucy.dashboard"},
}
# The engine, and what it carries physics over a pause with
ENGINE = {ROOT / "sim" / "engine.py", ROOT / "sim" / "physics.py"}
# The command line starts whatever there is, so it stands above every room
CLI = sorted((ROOT / "agent").glob("cli*.py"))

FILES = sorted(file for room in MAY_IMPORT for file in (ROOT / room).rglob("*.py"))
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def imports(file: Path) -> set[str]:
    """Full names of the modules, and of what is taken out of them, that a file imports."""
    return imports_of(file.read_text("utf-8"), ["lucy", *file.relative_to(ROOT).parent.parts])


def imports_of(source: str, package: list[str]) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def is_in(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_relative_imports_are_resolved() -> None:
    source = "from ..sim.state import select\nfrom . import krc\nfrom .view import view\nimport a.b"
    assert imports_of(source, ["lucy", "rewards"]) == {
        "lucy.sim.state.select",
        "lucy.rewards.krc",
        "lucy.rewards.view.view",
        "a.b",
    }
    assert imports_of("from ...sim import state", ["lucy", "agent", "bots"]) == {"lucy.sim.state"}


def test_the_rooms_are_found() -> None:
    assert {"sim", "rewards", "agent"} <= {file.relative_to(ROOT).parts[0] for file in FILES}


@each_file
def test_imports_point_one_way(file: Path) -> None:
    allowed = MAY_IMPORT[file.relative_to(ROOT).parts[0]]
    ours = {name for name in imports(file) if is_in(name, {"lucy"})}
    if file in CLI:
        allowed = set().union(*MAY_IMPORT.values())
    else:
        assert not {name for name in ours if name.startswith("lucy.agent.cli")}
    assert not {name for name in ours if not is_in(name, allowed)}


@each_file
def test_only_the_engine_imports_rocketsim(file: Path) -> None:
    if file not in ENGINE and ROOT / "benchmarks" not in file.parents:
        assert not {name for name in imports(file) if is_in(name, {"RocketSim"})}


@each_file
def test_simulation_rewards_and_dashboard_do_without_torch(file: Path) -> None:
    if file.relative_to(ROOT).parts[0] in ("sim", "rewards", "dashboard"):
        assert not {name for name in imports(file) if is_in(name, {"torch"})}


def test_importing_raises_no_warning() -> None:
    code = "import lucy.sim.vec_env, lucy.rewards.function"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
