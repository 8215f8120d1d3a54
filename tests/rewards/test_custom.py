"""Custom components: a user's function as a component, and what is said where it will not do."""

import json
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lucy.rewards import custom
from lucy.rewards.custom import CustomError, view
from lucy.rewards.fields import GIVEN, N_FIELDS, View
from lucy.rewards.function import RewardFunction
from lucy.rewards.spec import RewardSpec, RewardSpecError, load_spec
from lucy.sim.state import GameStates, select

CODE = """
import math

import numba

@numba.njit
def fast_aerial(now, before, height=300.0, scale=2044.0):
    return now.z / scale if now.touched > 0 and now.z > height else 0.0

@numba.njit
def needs(now, before, size):
    return size

@numba.njit
def no_field(now, before):
    return now.nothing

@numba.njit
def too_few(now):
    return 0.0

constant = 3

@numba.njit
def default_none(now, before, x=None):
    return 0.0

@numba.njit
def default_word(now, before, x="high"):
    return 0.0

@numba.njit
def sometimes_none(now, before):
    if now.z > 17.0:
        return 1.0

@numba.njit
def never(now, before):
    pass

@numba.njit
def pair(now, before):
    return now.z, now.x

@numba.njit
def imaginary(now, before):
    return now.z * 1j

@numba.njit
def word(now, before):
    return "high"

@numba.njit
def flag(now, before):
    return now.z > 300.0

@numba.njit
def changes_now(now, before):
    now.z = 0.0
    return 0.0

@numba.njit
def raises(now, before):
    if now.z > 17.0:
        raise ValueError("too high")
    return 0.0

@numba.njit
def divides(now, before):
    return 1.0 / (now.touched - now.touched)

@numba.njit
def nan(now, before):
    return (now.z - now.z) * math.inf

@numba.njit
def too_large(now, before):
    return 1e39

def plain(now, before, share=0.5):
    return share * now.on_ground
"""


@pytest.fixture
def write(tmp_path: Path, request: pytest.FixtureRequest):
    module = f"custom_{abs(hash(request.node.name))}"
    (tmp_path / f"{module}.py").write_text(CODE, "utf-8")

    def write(function: str, more: str = "") -> str:
        path = tmp_path / "reward.toml"
        path.write_text(f'[[events]]\ncomponent = "{module}:{function}"\n{more}', "utf-8")
        return str(path)

    return write


def test_a_view_has_every_field_in_its_place() -> None:
    block = np.arange(2.0 * N_FIELDS).reshape(N_FIELDS, 2)
    assert view(block, 1) == View(*(block[field, 1] for field in GIVEN))


def test_a_users_function_is_a_component(write, random_states) -> None:
    spec = load_spec(write("fast_aerial", "height = 500\nweight = 2"))
    assert spec.terms[0].name == "fast_aerial"
    assert spec.terms[0].parameters == {"height": 500, "scale": 2044}
    states = random_states(np.random.default_rng(0), ["2v2"] * 40)
    reward = RewardFunction(spec, states)
    reward.reset(states, np.arange(40))
    for rows in (slice(0, 30), slice(30, 40)):
        reward.step(select(states, rows), rows)
    high = states.car_ball_touched & (states.car_position[..., 2] > 500)
    want = np.where(high, states.car_position[..., 2] / 2044, 0)
    assert want.any()
    np.testing.assert_allclose(reward.decomposition.value[..., 0], want, atol=1e-6)
    np.testing.assert_allclose(reward.decomposition.weighted[..., 0], 2 * want, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "more", "message"),
    [
        ("missing", "", "line 2: cannot import .*has no attribute 'missing'$"),
        ("constant", "", "line 2: .* is 3: expected a function under @numba.njit"),
        ("no_field", "", "line 2: .*no_field' does not compile: .*'nothing'"),
        ("too_few", "", r"line 2: .*takes \(now\): expected \(now, before\)"),
        ("needs", "", "line 2: .*needs the parameter 'size'"),
        ("needs", "size = nan", "line 3: .*size must be finite"),
        ("needs", "siz = 1", r"line 3: .*has no parameter 'siz' \(did you mean 'size'\?\)"),
        ("2d", "", "line 2: .* is no import path: expected 'module:function'"),
        ("default_none", "", "line 2: .*'x' has the default None: expected a finite number"),
        ("default_word", "", "line 2: .*'x' has the default 'high'"),
        ("sometimes_none", "", "line 2: .*returns nothing on some of its ways"),
        ("never", "", "line 2: .*never' returns nothing: expected a number"),
        ("pair", "", "line 2: .*pair' returns .*: expected one number for every car"),
        ("imaginary", "", "line 2: .*returns complex128: expected one number"),
        ("word", "", "line 2: .*word' returns .*: expected one number"),
        ("changes_now", "", "line 2: .*changes_now' does not compile"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(write, function, more, message) -> None:
    with pytest.raises(RewardSpecError, match=message) as refused:
        load_spec(write(function, more))
    assert "\n" not in str(refused.value)


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reward.toml"
    path.write_text('[[events]]\ncomponent = "no_such_module:fast"', "utf-8")
    with pytest.raises(RewardSpecError, match=r"'no_such_module:fast': .* beside the reward"):
        load_spec(str(path))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("raises", "raises' raised ValueError: too high$"),
        ("divides", "divides' returned inf: expected a finite number"),
        ("nan", "nan' returned nan: expected a finite number"),
        ("too_large", r"too_large' returned 1e\+39: expected a finite number"),
    ],
)
def test_what_goes_wrong_while_it_runs_is_said(write, random_states, function, message) -> None:
    states = random_states(np.random.default_rng(0), ["1v1"] * 4)
    reward = RewardFunction(load_spec(write(function)), states)
    reward.reset(states, np.arange(4))
    with pytest.raises(CustomError, match=message):
        reward.step(states, slice(0, 4))


@pytest.mark.parametrize("function", ["flag", "plain"])
def test_a_flag_and_a_plain_function_will_do(write, random_states, function) -> None:
    states = random_states(np.random.default_rng(0), ["1v1"] * 4)
    reward = RewardFunction(load_spec(write(function)), states)
    reward.reset(states, np.arange(4))
    reward.step(states, slice(0, 4))
    assert np.isfinite(reward.total).all()


def test_empty_slots_are_not_shown_to_a_component(write, random_states) -> None:
    states = random_states(np.random.default_rng(0), ["1v1", "2v2"])
    states.car_position[~states.car_mask] = np.nan
    reward = RewardFunction(load_spec(write("fast_aerial")), states)
    reward.reset(states, np.arange(2))
    reward.step(states, slice(0, 2))
    assert not reward.total[~states.car_mask].any()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def broken(:", "SyntaxError: "),
        ("import no_such_library", "No module named 'no_such_library'$"),
        ("1 / 0", "ZeroDivisionError: division by zero$"),
        ("raise SystemExit('bye')", "SystemExit: bye$"),
    ],
)
def test_a_module_that_fails_is_told(tmp_path: Path, code: str, message: str) -> None:
    (tmp_path / "failing_module.py").write_text(code, "utf-8")
    path = tmp_path / "reward.toml"
    path.write_text('[[events]]\ncomponent = "failing_module:f"', "utf-8")
    with pytest.raises(RewardSpecError, match=f"cannot import 'failing_module:f': .*{message}"):
        load_spec(str(path))


ALONE = "zero_sum = 0.0\nteam_spirit = 0.0\n[[events]]\ncomponent = "


def paid(path: Path, states: GameStates) -> float:
    reward = RewardFunction(load_spec(str(path)), states)
    reward.reset(states, np.arange(len(states.score)))
    reward.step(states, slice(0, len(states.score)))
    return float(reward.decomposition.value[0, 0, 0])


def test_an_edited_module_runs_as_it_is_now(tmp_path: Path, random_states) -> None:
    states = random_states(np.random.default_rng(0), ["1v1"])
    path, helper = tmp_path / "reward.toml", tmp_path / "edited_helper.py"
    path.write_text(f'{ALONE}"edited:f"\n')
    (tmp_path / "edited.py").write_text(
        "import numba\nfrom edited_helper import PAY, extra\n"
        "@numba.njit(cache=True)\ndef f(now, before):\n    return PAY + extra()\n"
    )
    stem = "import numba\n@numba.njit(cache=True)\ndef extra():\n    return "
    for pay, more in ((1.0, 0.5), (2.0, 0.5), (2.0, 0.7)):  # of one size, within a second
        helper.write_text(f"{stem}{more}\nPAY = {pay}\n")
        assert paid(path, states) == pytest.approx(pay + more)
    assert "edited" not in sys.modules


def test_modules_of_one_name_stay_apart(tmp_path: Path, random_states) -> None:
    states = random_states(np.random.default_rng(0), ["1v1"])
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "same_name.py").write_text(f"def f(now, before):\n    return {number}.0\n")
        (folder / "reward.toml").write_text(f'{ALONE}"same_name:f"\n')
    assert [paid(tmp_path / n / "reward.toml", states) for n in "121"] == [1, 2, 1]


def test_a_component_travels_as_source(tmp_path: Path, random_states) -> None:
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("import threading\nLOCK = threading.Lock()\n")
    (package / "amounts.py").write_text("AMOUNT = 3.0\n")
    (package / "parts.py").write_text(
        "from .amounts import AMOUNT\ndef f(now, before):\n    return AMOUNT\n"
    )
    path = tmp_path / "reward.toml"
    path.write_text(f'{ALONE}"own_package.parts:f"\n')
    spec = load_spec(str(path))
    names = ["__init__.py", "amounts.py", "parts.py"]
    assert sorted(spec.files) == [*(f"own_package/{name}" for name in names), "reward.toml"]
    sent = pickle.dumps(spec)
    shutil.rmtree(package)
    states = random_states(np.random.default_rng(0), ["1v1"])
    reward = RewardFunction(pickle.loads(sent), states)
    reward.reset(states, np.arange(1))
    reward.step(states, slice(0, 1))
    assert (reward.decomposition.value[states.car_mask] == 3).all()


def arrived(spec: RewardSpec, folder: Path) -> RewardSpec:
    """A spec as another process has it, where the folder that it came from is not."""
    sent = pickle.dumps(spec)
    folder.rename(folder.with_name("gone"))
    custom._load.cache_clear()
    try:
        return pickle.loads(sent)
    finally:
        folder.with_name("gone").rename(folder)


def test_a_package_without_init_travels(tmp_path: Path) -> None:
    folder = tmp_path / "names"
    (folder / "bare_package" / "inner").mkdir(parents=True)
    (folder / "bare_package" / "inner" / "parts.py").write_text(
        "from bare_package.inner import amounts\ndef f(now, before):\n    return amounts.AMOUNT\n"
    )
    (folder / "bare_package" / "inner" / "amounts.py").write_text("AMOUNT = 3.0\n")
    path = folder / "reward.toml"
    path.write_text(f'{ALONE}"bare_package.inner.parts:f"\n')
    spec = load_spec(str(path))
    files = [f"bare_package/inner/{name}.py" for name in ("amounts", "parts")]
    assert sorted(spec.files) == [*files, "reward.toml"]
    assert arrived(spec, folder).files == spec.files
    assert "bare_package" not in sys.modules


@pytest.mark.parametrize("helper", ["dynamic_helper", "dynamic_package.helper"])
def test_what_is_imported_by_a_call_is_kept_and_travels(
    tmp_path: Path, random_states, helper: str
) -> None:
    states = random_states(np.random.default_rng(0), ["1v1"])
    for name, first in (("one", 1.0), ("two", 5.0)):  # which stay apart
        folder = tmp_path / name
        (folder / "dynamic_package").mkdir(parents=True)
        (folder / "dynamic.py").write_text(
            f'import importlib\nAMOUNT = importlib.import_module("{helper}").AMOUNT\n'
            "def f(now, before):\n    return AMOUNT\n"
        )
        path, file = folder / "reward.toml", f"{helper.replace('.', '/')}.py"
        path.write_text(f'{ALONE}"dynamic:f"\n')
        for amount in (first, first + 1):  # an edit counts
            (folder / file).write_text(f"AMOUNT = {amount}\n")
            assert paid(path, states) == amount
        spec = load_spec(str(path))
        assert sorted(spec.files) == sorted(["dynamic.py", file, "reward.toml"])
        assert spec.files_at(path.read_text(), folder) == spec.files
        assert arrived(spec, folder).files == spec.files
        assert helper not in sys.modules


def test_names_of_python_and_lucy_are_not_the_users(tmp_path: Path, random_states) -> None:
    clone = tmp_path / "lucy" / "rewards"
    clone.mkdir(parents=True)
    (clone / "fields.py").write_text("raise RuntimeError('another Lucy')\n")
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('another module')\n")
    (tmp_path / "taken_names.py").write_text(
        "import colorsys\nfrom lucy.rewards.fields import View\n"
        "def f(now, before):\n    return 2.0\n"
    )
    path = tmp_path / "reward.toml"
    path.write_text(f'{ALONE}"taken_names:f"\n')
    assert paid(path, random_states(np.random.default_rng(0), ["1v1"])) == 2
    assert sorted(load_spec(str(path)).files) == ["reward.toml", "taken_names.py"]
    path.write_text(f'{ALONE}"colorsys:f"\n')
    with pytest.raises(RewardSpecError, match="has this name: give your file another"):
        load_spec(str(path))


def test_a_component_in_a_zip_file_will_do(
    tmp_path: Path, random_states, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "components.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped_module.py", "def f(now, before):\n    return 4.0\n")
    monkeypatch.syspath_prepend(str(archive))
    path = tmp_path / "reward.toml"
    path.write_text(f'{ALONE}"zipped_module:f"\n')
    assert paid(path, random_states(np.random.default_rng(0), ["1v1"])) == 4
    installed = json.loads(load_spec(str(path)).files["installed.json"])
    assert len(installed["zipped_module"]) == 64
