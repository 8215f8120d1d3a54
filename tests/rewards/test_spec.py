"""Reward files: what they may say, and what is said of those that may not."""

from pathlib import Path

import pytest

from lucy.rewards.registry import COMPONENTS
from lucy.rewards.spec import RewardSpec, RewardSpecError, load_spec, presets
from lucy.rewards.toml_lines import key_lines


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
    assert term.parameters == {"dispersion": 1, "density": 2}
    assert (spec.gamma, spec.team_spirit) == (1, 0.3)


@pytest.mark.parametrize("name", COMPONENTS)
def test_parameters_stand_in_the_kernels_order(name: str) -> None:
    known = COMPONENTS[name].parameters
    given = {k: not v if isinstance(v, bool) else 2.0 + i for i, (k, v) in enumerate(known.items())}
    backwards = dict(reversed(given.items()))
    spec = RewardSpec.model_validate({"events": [{"component": name} | backwards]})
    assert list(spec.terms[0].parameters.items()) == list(given.items())


def test_parts_are_put_in_by_name(write) -> None:
    text = """
[parts.align]
component = "align_ball_to_goal"
defense = 1
[parts.both]
sum = ["align", "velocity_player_to_ball"]
[[potential]]
krc = ["both", { component = "save_boost", weight = 2 }]
"""
    (term,) = load_spec(write(text)).terms
    both, boost = term.parts
    assert [part.component for part in both.parts] == [
        "align_ball_to_goal",
        "velocity_player_to_ball",
    ]
    assert both.parts[0].parameters == {"defense": 1, "offense": 0.5}
    assert boost.weight == 2
    assert term.name == "krc_both_save_boost"


LINES = """gamma = 1 # [[potential]]

[[potential]]
name = "a # ["
krc = [
  { component = "x", weight = 2 },
  "y",
]
[parts.one]
sum = ["a",
 '''b
]''', "c"]
[[potential]]
weight = [ [0, 1.0],
[1_000, 2] ]
"""


def test_lines_of_keys_are_found() -> None:
    lines = key_lines(LINES)
    want = {
        ("gamma",): 1,
        ("potential", 0): 3,
        ("potential", 0, "krc"): 5,
        ("potential", 0, "krc", 0, "weight"): 6,
        ("potential", 0, "krc", 1): 7,
        ("parts", "one"): 9,
        ("parts", "one", "sum", 1): 11,
        ("parts", "one", "sum", 2): 12,
        ("potential", 1): 13,
        ("potential", 1, "weight", 1): 15,
    }
    assert {path: lines[path] for path in want} == want


def test_a_krc_is_named_after_its_parts() -> None:
    parts = [{"component": "save_boost"}, {"component": "event_goal", "name": "goal"}]
    spec = RewardSpec.model_validate({"potential": [{"krc": parts}]})
    assert spec.terms[0].name == "krc_save_boost_goal"


GOAL = '[[events]]\ncomponent = "event_goal"\n'
BAD = {
    "no TOML": ("gamma = [", r"reward\.toml is not TOML: "),
    "empty": ("", "a reward needs at least one potential or events term"),
    "unknown key": (f"gama = 1\n{GOAL}", r"line 1: unknown key 'gama' \(did you mean 'gamma'\?\)"),
    "gamma above 1": (f"gamma = 1.1\n{GOAL}", "line 1: gamma: .* 1"),
    "gamma below 0": (f"\ngamma = -0.1\n{GOAL}", "line 2: gamma: .* 0"),
    "team spirit": (f"team_spirit = 2\n{GOAL}", "team_spirit: .* 1"),
    "unknown component": (
        '\n[[events]]\ncomponent = "event_gaol"',
        r"line 3: unknown component 'event_gaol' \(did you mean 'event_goal'\?\)",
    ),
    "unknown component in a krc": (
        '[[events]]\nkrc = [{component = "event_goal"},\n {component = "save_bost"}]',
        r"line 3: .*'save_bost' \(did you mean 'save_boost'\?\)",
    ),
    "unknown name in a krc": ('[[events]]\nkrc = [\n"save_bost"]', "line 3: .*'save_bost'"),
    "unknown parameter": (
        '[[potential]]\ncomponent = "distance_player_to_ball"\nwidth = 2',
        r"line 3: distance_player_to_ball has no parameter 'width'; it takes \['dispersion', 'den",
    ),
    "nearly a parameter": (
        '[[potential]]\ncomponent = "distance_player_to_ball"\ndispersal = 2',
        r"no parameter 'dispersal' \(did you mean 'dispersion'\?\)",
    ),
    "parameter that is no number": (
        '[[potential]]\ncomponent = "distance_player_to_ball"\n\ndensity = "high"',
        "line 4: distance_player_to_ball: density must be a number, got 'high'",
    ),
    "parameter that is no truth": (
        '[[potential]]\ncomponent = "distance_ball_to_goal"\nown_goal = 1',
        "line 3: distance_ball_to_goal: own_goal must be true or false, got 1",
    ),
    "zero dispersion": (
        '[[potential]]\ncomponent = "distance_player_to_ball"\ndispersion = 0',
        "line 3: distance_player_to_ball: dispersion must be above 0, got 0",
    ),
    "zero density in a krc": (
        '[[potential]]\nkrc = ["save_boost",\n{component="distance_player_to_ball",density=0}]',
        "line 3: distance_player_to_ball: density must be above 0, got 0",
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
        "line 3: .*weight must be finite, got nan",
    ),
    "weight that is no number": (
        '[[potential]]\ncomponent = "save_boost"\nweight = "much"',
        "line 3: .*weight must be a number or a schedule, got 'much'",
    ),
    "infinite weight in a krc": (
        '[[potential]]\nkrc = [{component = "save_boost", weight = inf}]',
        "line 2: .*weight must be finite, got inf",
    ),
    "schedule of words": (
        '[[events]]\ncomponent = "save_boost"\nweight = { soon = 1.0 }',
        "line 3: .*'soon', 1.0.* is no point of a schedule",
    ),
    "schedule that falls back": (
        '[[events]]\ncomponent = "save_boost"\nweight = [[10, 1.0], [5, 2.0]]',
        "steps must rise",
    ),
    "schedule not finite": (
        '[[events]]\ncomponent = "save_boost"\nweight = { 0 = inf }',
        "the weight finite",
    ),
    "empty schedule": (
        '[[events]]\ncomponent = "save_boost"\nweight = []',
        "a schedule needs one or more points",
    ),
    "schedule inside": (
        '[[events]]\nkrc = ["save_boost",\n{component = "save_boost", weight = { 0 = 1.0 }}]',
        "line 3: a weight's schedule stands on a whole term",
    ),
    "empty krc": ("[[potential]]\nkrc = []", "line 2: krc is empty"),
    "empty sum": ("[[potential]]\nsum = []", "line 2: sum is empty"),
    "krc that contains itself": (
        '[[potential]]\nkrc = ["a"]\n[parts.a]\nkrc = ["b"]\n[parts.b]\nsum = ["a", "a"]',
        "line 5: parts contain one another: a -> b -> a",
    ),
    "bad part": (
        '[[potential]]\nkrc = ["a"]\n[parts.a]\ncomponent = "nothing"',
        "^[^;]*line 4: unknown component 'nothing'.*: `lucy rewards list`[^;]*; a function[^;]*$",
    ),
    "part with a component's name": (
        f'{GOAL}[parts.save_boost]\ncomponent = "event_goal"',
        "line 3: a part cannot have a component's name, 'save_boost'",
    ),
    "krc with a parameter": (
        '[[potential]]\nkrc = [{component = "save_boost"}]\ndensity = 2',
        "line 3: .*beside it only name and weight",
    ),
    "krc and component": (
        '[[potential]]\ncomponent = "save_boost"\nkrc = [{component = "save_boost"}]',
        "line 3: a term takes one of component, krc and sum",
    ),
    "neither krc nor component": (
        '[[potential]]\ncomponet = "save_boost"',
        r"one of component, krc and sum, got none \(did you mean 'component'\?\)",
    ),
    "duplicate names": (
        '[[potential]]\ncomponent = "save_boost"\n[[events]]\ncomponent = "save_boost"',
        "line 3: two terms are called 'save_boost': give one another name",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_bad_file_is_refused_with_the_reason(text: str, message: str, write) -> None:
    with pytest.raises(RewardSpecError, match=message) as refused:
        load_spec(write(text))
    assert "reward.toml is not" in str(refused.value)


@pytest.mark.parametrize("digits", [400, 5000])  # more than a float holds, and than Python reads
@pytest.mark.parametrize("key", ["weight", "defense"])
def test_a_number_that_is_too_large_is_refused(key: str, digits: int, write) -> None:
    text = f'[[potential]]\ncomponent = "align_ball_to_goal"\n{key} = 1{"0" * digits}'
    with pytest.raises(RewardSpecError, match=r"must be finite, got 1000|is not TOML") as refused:
        load_spec(write(text))
    assert len(str(refused.value)) < 500


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
