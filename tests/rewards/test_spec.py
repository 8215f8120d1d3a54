"""Reward files: what they may say, and what is said of those that may not."""

from pathlib import Path

import pytest

from lucy.rewards.components import COMPONENTS
from lucy.rewards.spec import RewardSpec, RewardSpecError, load_spec, presets


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "reward.toml"
        path.write_text(text, "utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("name", presets())
def test_presets_load(name: str) -> None:
    assert load_spec(name).terms


def test_lucy_skg_is_the_published_reward() -> None:
    spec = load_spec("lucy-skg")
    assert (spec.gamma, spec.team_spirit) == (1, 0.3)
    assert {term.name: term.weight for term in spec.potential} == {
        "distance_ball_to_goal_difference": 2,
        "velocity_ball_to_goal": 0.8,
        "save_boost": 0.5,
        "distance_weighted_align_ball_to_goal": 0.6,
        "offensive_potential": 1,
    }
    assert {term.name: term.weight for term in spec.events} == {
        "event_goal": 10,
        "event_concede": -3,
        "event_shot": 1.5,
        "event_save": 3,
        "event_touch": 0.05,
        "event_demo": 2,
        "event_demoed": -2,
        "touch_ball_to_goal_acceleration": 0.25,
    }


def test_a_file_loads_with_its_defaults(write) -> None:
    spec = load_spec(write('[[potential]]\ncomponent = "distance_player_to_ball"\ndensity = 2'))
    (term,) = spec.terms
    assert (term.name, term.weight) == ("distance_player_to_ball", 1)
    assert term.parameters == [1, 2, 0]
    assert (spec.gamma, spec.team_spirit) == (1, 0.3)


@pytest.mark.parametrize("name", COMPONENTS)
def test_parameters_stand_in_the_kernels_order(name: str) -> None:
    known = COMPONENTS[name].parameters
    given = {key: 2.0 + k for k, key in enumerate(known)}
    backwards = dict(reversed(given.items()))
    spec = RewardSpec.model_validate({"events": [{"component": name} | backwards]})
    assert spec.terms[0].parameters == [*given.values(), 0, 0, 0][:3]


def test_a_krc_is_named_after_its_parts() -> None:
    parts = [{"component": "save_boost"}, {"component": "event_goal", "name": "goal"}]
    spec = RewardSpec.model_validate({"potential": [{"krc": parts}]})
    assert spec.terms[0].name == "krc_save_boost_goal"


BAD = {
    "no TOML": ("gamma = [", r"reward\.toml is not TOML: "),
    "empty": ("", "a reward needs at least one potential or events term"),
    "unknown key": ('gama = 1\n[[events]]\ncomponent = "event_goal"', "gama: Extra inputs are not"),
    "gamma above 1": ('gamma = 1.1\n[[events]]\ncomponent = "event_goal"', "gamma: .* 1"),
    "gamma below 0": ('gamma = -0.1\n[[events]]\ncomponent = "event_goal"', "gamma: .* 0"),
    "team spirit": ('team_spirit = 2\n[[events]]\ncomponent = "event_goal"', "team_spirit: .* 1"),
    "unknown component": (
        '[[events]]\ncomponent = "event_gaol"',
        r"events\.0: .*unknown component 'event_gaol' \(did you mean 'event_goal'\?\)",
    ),
    "unknown component in a krc": (
        '[[events]]\nkrc = [{component = "event_goal"}, {component = "save_bost"}]',
        r"events\.0\.krc\.1: .*'save_bost' \(did you mean 'save_boost'\?\)",
    ),
    "unknown parameter": (
        '[[potential]]\ncomponent = "distance_player_to_ball"\nwidth = 2',
        r"distance_player_to_ball has no parameter 'width'; it takes \['dispersion', 'density'\]",
    ),
    "parameter that is no number": (
        '[[potential]]\ncomponent = "distance_player_to_ball"\ndensity = "high"',
        "distance_player_to_ball: density must be a number, got 'high'",
    ),
    "zero dispersion": (
        '[[potential]]\ncomponent = "distance_player_to_ball"\ndispersion = 0',
        "distance_player_to_ball: dispersion must be above 0, got 0",
    ),
    "negative dispersion": (
        '[[potential]]\ncomponent = "distance_ball_to_goal_difference"\ndefense_dispersion = -0.5',
        "defense_dispersion must be above 0, got -0.5",
    ),
    "infinite density": (
        '[[potential]]\ncomponent = "distance_player_to_ball"\ndensity = inf',
        "density must be above 0, got inf",
    ),
    "NaN weight": (
        '[[potential]]\ncomponent = "save_boost"\nweight = nan',
        r"potential\.0\.weight: Input should be a finite number",
    ),
    "infinite weight in a krc": (
        '[[potential]]\nkrc = [{component = "save_boost", weight = inf}]',
        r"potential\.0\.krc\.0\.weight: Input should be a finite number",
    ),
    "empty krc": ("[[potential]]\nkrc = []", "krc takes one or more terms"),
    "krc with a parameter": (
        '[[potential]]\nkrc = [{component = "save_boost"}]\ndensity = 2',
        "beside it only name and weight",
    ),
    "krc and component": (
        '[[potential]]\ncomponent = "save_boost"\nkrc = [{component = "save_boost"}]',
        "a term takes one of component and krc",
    ),
    "neither krc nor component": (
        "[[potential]]\nweight = 1",
        "a term takes one of component and krc",
    ),
    "duplicate names": (
        '[[potential]]\ncomponent = "save_boost"\n[[events]]\ncomponent = "save_boost"',
        r"two terms are called \['save_boost'\]: give one another name",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_bad_file_is_refused_with_the_reason(text: str, message: str, write) -> None:
    with pytest.raises(RewardSpecError, match=message) as refused:
        load_spec(write(text))
    assert "reward.toml is not" in str(refused.value)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_parameter_must_be_finite(value: str, write) -> None:
    with pytest.raises(RewardSpecError, match=f"defense must be .*, got {value}"):
        load_spec(write(f'[[potential]]\ncomponent = "align_ball_to_goal"\ndefense = {value}'))


def test_unknown_preset_is_told_the_nearest_and_all() -> None:
    expected = r"unknown reward 'lucy-sgk' \(did you mean 'lucy-skg'\?\): expected one of \[.*'lucy"
    with pytest.raises(RewardSpecError, match=expected):
        load_spec("lucy-sgk")


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(RewardSpecError, match=r"cannot read the reward file .*none\.toml"):
        load_spec(str(path))


def test_a_folder_or_binary_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name in ("folder", "binary"):
        with pytest.raises(RewardSpecError, match=rf"cannot read the reward file .*{name}\.toml"):
            load_spec(str(tmp_path / f"{name}.toml"))
