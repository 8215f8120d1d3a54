"""Custom components: a user's function as a component, and what is said where it will not do."""

from pathlib import Path

import numpy as np
import pytest

from lucy.rewards.custom import view
from lucy.rewards.fields import GIVEN, N_FIELDS, View
from lucy.rewards.function import RewardFunction
from lucy.rewards.spec import RewardSpecError, load_spec
from lucy.sim.state import select

CODE = """
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
        ("missing", "", "line 2: cannot import .*has no attribute 'missing'.* beside the reward"),
        ("constant", "", "line 2: .* is 3: expected a function under @numba.njit"),
        ("no_field", "", "line 2: .*no_field' does not compile: .*'nothing'"),
        ("too_few", "", r"line 2: .*takes \(now\): expected \(now, before\)"),
        ("needs", "", "line 2: .*needs the parameter 'size'"),
        ("needs", "size = nan", "line 3: .*size must be finite"),
        ("needs", "siz = 1", r"line 3: .*has no parameter 'siz' \(did you mean 'size'\?\)"),
        ("2d", "", "line 2: .* is no import path: expected 'module:function'"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(write, function, more, message) -> None:
    with pytest.raises(RewardSpecError, match=message) as refused:
        load_spec(write(function, more))
    assert "\n" not in str(refused.value)


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reward.toml"
    path.write_text('[[events]]\ncomponent = "no_such_module:fast"', "utf-8")
    with pytest.raises(RewardSpecError, match="cannot import 'no_such_module:fast'"):
        load_spec(str(path))
