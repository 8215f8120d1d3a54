"""Settings are checked once, and every refusal names its value and the way out."""

from pathlib import Path
from typing import Any

import pytest

from lucy.agent import config as config_module
from lucy.agent.config import (
    ConfigError,
    change,
    load_preset,
    parse_changes,
    presets,
)


@pytest.mark.parametrize("name", presets())
def test_presets_load_and_survive_a_round_trip(name: str) -> None:
    config = load_preset(name)
    assert change(config.model_dump(mode="json"), {}) == config


def test_the_published_recipe() -> None:
    config = load_preset("lucy-skg")
    assert config.rollout_size == 320_000
    assert config.ppo.batch_size == 4000
    assert config.ppo.n_epochs == 10
    assert config.ppo.gamma == pytest.approx(0.5 ** (1 / 150), abs=1e-8)


def test_mixed_mode_plays_all_sizes() -> None:
    config = load_preset(
        "lucy-cpu",
        {
            "environment.mode": "mixed",
            "environment.arenas": 6,
            "ppo.n_steps": 64,
            "ppo.batch_size": 128,
        },
    )
    assert config.environment.modes == ["1v1", "2v2", "3v3"] * 2
    assert config.environment.n_agents == 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ppo.gama": 0.9}, "unknown setting 'ppo.gama' .did you mean 'ppo.gamma'"),
        ({"pp.gamma": 0.9}, "unknown setting 'pp.gamma'"),
        ({"ppo": 1}, "unknown setting 'ppo'"),
        ({"ppo.gamma": 1.5}, "ppo.gamma: .*less than or equal to 1, got 1.5"),
        ({"ppo.gamma": float("nan")}, "ppo.gamma: .*finite"),
        ({"ppo.n_epochs": 0}, "ppo.n_epochs: .*greater than or equal to 1, got 0"),
        ({"ppo.learning_rate": "fast"}, "ppo.learning_rate: .*valid number.*got 'fast'"),
        ({"ppo.batch_size": 1000}, "batch_size 1000 does not divide the rollout of"),
        (
            {"auxiliary.reward_prediction": 1, "auxiliary.segment": 48},
            "auxiliary.segment 48 does not divide ppo.n_steps 64 and ppo.batch_size 4096",
        ),
        (
            {"auxiliary.always_segments": True, "auxiliary.segment": 48},
            "auxiliary.segment 48 does not divide",
        ),
        (
            {"auxiliary.latent_prediction": 1, "auxiliary.latent_steps": 32},
            "latent_steps 32 reaches beyond auxiliary.segment 32",
        ),
        ({"auxiliary.reward_prediction": -1}, "auxiliary.reward_prediction: .*got -1"),
        ({"learner.precision": "fp8"}, "learner.precision: .*'float32' or 'bf16', got 'fp8'"),
        ({"network.width": 63}, "width 63 does not divide into 4 heads"),
        ({"network.initial_odds": {"jmp": [1, 1]}}, "initial_odds.jmp = .*'jump': 2"),
        ({"network.initial_odds": {"jump": [1, 0]}}, "takes odds above 0"),
        ({"environment.mode": "4v4"}, "environment.mode: .*'1v1', '2v2', '3v3' or 'mixed'"),
        ({"environment.arenas": 0}, "environment.arenas: .*got 0"),
        (
            {"environment.reward": "lucy-skgg"},
            "unknown reward 'lucy-skgg' .did you mean 'lucy-skg'",
        ),
        ({"environment.observation": "nekto"}, "unknown observation 'nekto'.*necto"),
        ({"environment.action_stack": 6}, "stack of 6 actions: expected 0 to 5"),
        ({"environment.action_table": "mouse"}, "unknown action table 'mouse'.*kbm"),
        ({"environment.resets": {"kickof": 1}}, "unknown reset source .*kickof"),
        ({"environment.resets": {"kickoff": 0}}, "not all 0"),
        (
            {"environment.resets": {"replays": 1}},
            "draws from replays alone: set environment.replays",
        ),
        ({"seed": -1}, "seed: .*got -1"),
        ({"steps": 0}, "steps: .*got 0"),
    ],
)
def test_refusals(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_preset("lucy-cpu", changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ppo.gamma": "high"}, "ppo.gamma: expected a valid number, got 'high'"),
        (
            {"environment.mode": "4v4"},
            "environment.mode: expected '1v1', '2v2', '3v3' or 'mixed', got",
        ),
        ({"network.width": 5}, "network: width 5 does not divide into 4 heads"),
        ({"environment.action_stack": 99}, "environment: a stack of 99 actions: expected 0 to 5"),
        ({"environment.timeouts": 9}, "unknown setting 'environment.timeouts' (did you mean"),
    ],
)
def test_refusals_are_short_and_in_words(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_preset("lucy-cpu", changes)
    message = str(refused.value)
    assert message.startswith(said)
    assert "Value error" not in message
    assert "ppo.n_steps" not in message
    assert len(message) < 400


def test_unknown_preset() -> None:
    with pytest.raises(ConfigError, match=r"unknown preset 'lucy-cp' .did you mean 'lucy-cpu'"):
        load_preset("lucy-cp")


@pytest.mark.parametrize(
    ("preset", "differences"),
    [
        ("ablation-rp", {"auxiliary.reward_prediction": 1.0}),
        ("ablation-sr", {"auxiliary.state_representation": 1.0}),
        (
            "ablation-rp-sr",
            {"auxiliary.reward_prediction": 1.0, "auxiliary.state_representation": 1.0},
        ),
        ("ablation-no-stack", {"environment.action_stack": 0}),
        ("ablation-necto", {"environment.observation": "necto", "environment.reward": "necto"}),
        ("ablation-skg", {"environment.reward": "lucy-skg"}),
        ("ablation-linear", {"environment.reward": "lucy-linear"}),
    ],
)
def test_an_ablation_differs_from_its_base_by_what_it_is_called_for(
    preset: str, differences: dict[str, Any]
) -> None:
    assert load_preset(preset) == load_preset("ablation-base", differences)
    assert load_preset(preset) != load_preset("ablation-base")


def test_the_base_of_the_ablations_is_lucy_cpu_in_segments() -> None:
    changes = {"steps": 5_000_000, "auxiliary.always_segments": True}
    assert load_preset("ablation-base") == load_preset("lucy-cpu", changes)


def test_ablations_stand_on_another_preset_when_asked() -> None:
    changes = {"auxiliary.state_representation": 0.0, "auxiliary.always_segments": True}
    published = load_preset("lucy-skg", {"steps": 5_000_000} | changes)
    assert load_preset("ablation-rp", base="lucy-skg") == published
    with pytest.raises(ConfigError, match=r"'lucy-cpu' stands on no other.*take an ablation"):
        load_preset("lucy-cpu", base="lucy-skg")
    with pytest.raises(ConfigError, match=r"unknown preset 'lucy-sk' .did you mean 'lucy-skg'"):
        load_preset("ablation-rp", base="lucy-sk")


def test_bases_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, base in {"a": "b", "b": "c", "c": "a", "lost": "d"}.items():
        (tmp_path / f"{name}.toml").write_text(f'base = "{base}"\n', "utf-8")
    monkeypatch.setattr(config_module, "_PRESETS", tmp_path)
    with pytest.raises(ConfigError, match=r"in a circle: a -> b -> c -> a; take the base out"):
        load_preset("a")
    with pytest.raises(ConfigError, match=r"base of preset 'lost' is an unknown preset 'd'"):
        load_preset("lost")


def test_assignments_are_toml_or_words() -> None:
    changes = parse_changes(
        ["ppo.gamma=0.9", "environment.mode=2v2", "environment.resets={kickoff=1}"]
    )
    assert changes == {
        "ppo.gamma": 0.9,
        "environment.mode": "2v2",
        "environment.resets": {"kickoff": 1},
    }
    with pytest.raises(ConfigError, match=r"--set takes key=value.*got 'ppo.gamma'"):
        parse_changes(["ppo.gamma"])
