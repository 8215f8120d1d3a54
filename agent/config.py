"""`TrainConfig`: every setting of a training, checked once when it is read."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..rewards.spec import RewardSpec, RewardSpecError, load_spec, suggest
from ..sim.actions import ACTION_TABLES
from ..sim.engine import TEAM_SIZES
from ..sim.observations import ACTION_STACK, Observation, observation_kind
from ..sim.resets import FILE_SOURCES, SOURCES, check_weights
from .errors import LucyError

Mode = Literal["1v1", "2v2", "3v3", "mixed"]


class ConfigError(LucyError):
    """A setting that cannot be used; the message names it and the way out."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class EnvironmentConfig(_Section):
    """The games that are played."""

    mode: Mode
    arenas: int = Field(ge=1, le=65536)
    processes: int | None = Field(
        None, ge=1, description="that play the games; default: one a processor"
    )
    reward: str
    observation: str = "lucy"
    action_stack: int = Field(
        default=ACTION_STACK, description="latest actions that Lucy's observation shows, 0 to 5"
    )
    action_table: str = "kbm"
    resets: dict[str, float]
    replays: str | None = Field(None, description="recordings for the reset source `replays`")
    timeout: float = Field(gt=0, description="s of play until an episode is cut off")
    no_touch_timeout: float = Field(gt=0, description="s without a touch until it is")

    _reward_spec: RewardSpec = PrivateAttr()

    @field_validator("reward")
    @classmethod
    def _reward_loads(cls, reward: str, info: ValidationInfo) -> str:
        _load_reward(reward, info)
        return reward

    @model_validator(mode="after")
    def _keep_reward(self, info: ValidationInfo) -> "EnvironmentConfig":
        self._reward_spec = _load_reward(self.reward, info)
        return self

    @field_validator("action_table")
    @classmethod
    def _table_exists(cls, name: str) -> str:
        if name not in ACTION_TABLES:
            raise ValueError(
                f"unknown action table {name!r}: expected one of {list(ACTION_TABLES)}"
            )
        return name

    @field_validator("resets")
    @classmethod
    def _resets_mix(cls, resets: dict[str, float]) -> dict[str, float]:
        check_weights(resets, (*SOURCES, *FILE_SOURCES))
        return resets

    @model_validator(mode="after")
    def _observation_exists(self) -> "EnvironmentConfig":
        observation_kind(self.observation, self.action_stack)
        return self

    @model_validator(mode="after")
    def _something_is_drawn(self) -> "EnvironmentConfig":
        if not sum(self.drawn_resets.values()):
            raise ValueError(
                "environment.resets draws from replays alone: set environment.replays to a folder "
                "of recordings, or give another source a weight"
            )
        return self

    @property
    def reward_spec(self) -> RewardSpec:
        """What is paid: `reward` as it was when it was read, or a run's own copy of it."""
        return self._reward_spec

    @property
    def observation_kind(self) -> type[Observation]:
        """What every car sees."""
        return observation_kind(self.observation, self.action_stack)

    @property
    def drawn_resets(self) -> dict[str, float]:
        """The reset mix, without replays where none are set."""
        left_out = {"replays"} if self.replays is None else set()
        return {name: weight for name, weight in self.resets.items() if name not in left_out}

    @property
    def modes(self) -> list[str]:
        """The mode of each arena; `mixed` takes 1v1, 2v2 and 3v3 in turn."""
        cycle = list(TEAM_SIZES) if self.mode == "mixed" else [self.mode]
        return [cycle[arena % len(cycle)] for arena in range(self.arenas)]

    @property
    def n_agents(self) -> int:
        """Cars in all arenas."""
        return sum(2 * TEAM_SIZES[mode] for mode in self.modes)


def _load_reward(reward: str, info: ValidationInfo) -> RewardSpec:
    kept: Path | None = (info.context or {}).get("reward")
    return load_spec(reward if kept is None else str(kept))


class NetworkConfig(_Section):
    """The Perceiver of actor and critic."""

    width: int = Field(ge=4, le=4096)
    blocks: int = Field(ge=1, le=32)
    heads: int = Field(ge=1)
    feedforward: int = Field(ge=4, le=16384)
    initial_odds: dict[str, list[float]] = Field(
        {}, description="of a fresh policy's choices, by head; the others start even"
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> "NetworkConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads")
        return self


class PPOConfig(_Section):
    """Stable-Baselines3's PPO, by its names."""

    n_steps: int = Field(ge=2, description="steps of every agent in a rollout")
    batch_size: int = Field(ge=2, description="with a league, which shortens rollouts, about")
    n_epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    gamma: float = Field(ge=0, le=1)
    gae_lambda: float = Field(ge=0, le=1)
    clip_range: float = Field(gt=0)
    ent_coef: float = Field(ge=0)
    vf_coef: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)


class AuxiliaryConfig(_Section):
    """Tasks that PPO is trained with, by the weight of their losses; 0 leaves one out."""

    reward_prediction: float = Field(0.0, ge=0)
    state_representation: float = Field(0.0, ge=0)
    latent_prediction: float = Field(0.0, ge=0)
    successor_features: float = Field(0.0, ge=0)
    reward_threshold: float = Field(
        0.009, ge=0, description="rewards nearer to 0 than this are one class"
    )
    latent_steps: int = Field(8, ge=1, description="how far ahead the latent is predicted")
    segment: int = Field(
        32, ge=2, description="consecutive steps of an agent that stay in one minibatch"
    )
    always_segments: bool = Field(
        False, description="in minibatches; without any task they are of single samples else"
    )

    @property
    def weights(self) -> dict[str, float]:
        """Of the tasks that are trained."""
        tasks = (
            "reward_prediction",
            "state_representation",
            "latent_prediction",
            "successor_features",
        )
        return {task: getattr(self, task) for task in tasks if getattr(self, task)}

    @property
    def piece_length(self) -> int:
        """Consecutive steps that minibatches are shuffled by."""
        return self.segment if self.weights or self.always_segments else 1


class LearnerConfig(_Section):
    """How the update uses the machine; it learns the same."""

    precision: Literal["float32", "bf16"] = "float32"
    threads: int | None = Field(None, ge=1, description="on a CPU; default: one a processor")
    piece: int | None = Field(
        None,
        ge=1,
        description="samples at a time; default: 1024 on a CPU (bf16 2048), on a GPU a minibatch",
    )


class CheckpointConfig(_Section):
    """Which checkpoints stay; one is written after every iteration."""

    keep_newest: int = Field(3, ge=1)
    keep_every: int = Field(100, ge=0, description="of the older ones each M-th, 0 for none")


class RatingConfig(_Section):
    """How the newest checkpoint is rated while training goes on, by a process of low priority."""

    every: int = Field(0, ge=0, description="iterations from one rating to the next; 0 for none")
    games: int = Field(10, ge=1, le=1000, description="against each opponent, five minutes each")
    anchors: list[str] = Field(["chaser", "random"], description="bots that stay as they are")
    past: int = Field(2, ge=0, description="of its own newest rated checkpoints, opponents too")

    @model_validator(mode="after")
    def _somebody_is_played(self) -> "RatingConfig":
        if self.every and not self.anchors:
            raise ValueError(
                "rating.anchors is empty: name a bot such as chaser, or set rating.every to 0"
            )
        return self


class LeagueConfig(_Section):
    """Opponents other than the learner itself, in a share of the arenas; off by default."""

    share: float = Field(0.0, ge=0, le=1, description="of the arenas that the league has")
    past: float = Field(1.0, ge=0, description="weight of the past selves among its opponents")
    bots: dict[str, float] = Field({}, description="weights of bots among them, by name")
    keep: int = Field(16, ge=1, description="past selves that may be met")
    at_once: int = Field(4, ge=1, description="of which so many are drawn to play, in each mode")
    refresh: int = Field(20, ge=1, description="iterations from one past self to the next")

    @model_validator(mode="after")
    def _somebody_plays(self) -> "LeagueConfig":
        weights = [self.past, *self.bots.values()]
        if min(weights) < 0 or not sum(weights):
            raise ValueError(
                f"league.past and league.bots are weights: expected 0 or more and not all 0, got "
                f"past {self.past} and bots {self.bots}"
            )
        return self


class TrainConfig(_Section):
    """A training: what `lucy train` runs, and what a checkpoint remembers."""

    steps: int = Field(ge=1, description="agent-steps in all")
    seed: int = Field(0, ge=0, lt=2**32)
    environment: EnvironmentConfig
    network: NetworkConfig
    ppo: PPOConfig
    auxiliary: AuxiliaryConfig = Field(default_factory=lambda: AuxiliaryConfig.model_validate({}))
    learner: LearnerConfig = Field(default_factory=lambda: LearnerConfig.model_validate({}))
    checkpoints: CheckpointConfig = Field(
        default_factory=lambda: CheckpointConfig.model_validate({})
    )
    rating: RatingConfig = Field(default_factory=lambda: RatingConfig.model_validate({}))
    league: LeagueConfig = Field(default_factory=lambda: LeagueConfig.model_validate({}))

    @property
    def rollout_size(self) -> int:
        """Samples of one iteration."""
        return self.ppo.n_steps * self.n_learners

    @property
    def n_learners(self) -> int:
        """Cars that the learner drives: all but the opponents' in the league's arenas."""
        league = self.environment.modes[self.environment.arenas - self.league_arenas :]
        return self.environment.n_agents - sum(TEAM_SIZES[mode] for mode in league)

    @property
    def league_arenas(self) -> int:
        """How many arenas the league has, which are the last ones."""
        share, arenas = self.league.share, self.environment.arenas
        return max(round(share * arenas), 1) if share else 0

    @model_validator(mode="after")
    def _odds_fit(self) -> "TrainConfig":
        table = ACTION_TABLES[self.environment.action_table]
        choices = dict(zip(table.heads, table.nvec.tolist(), strict=True))
        for head, odds in self.network.initial_odds.items():
            if len(odds) != choices.get(head) or min(odds) <= 0:
                raise ValueError(
                    f"network.initial_odds.{head} = {odds}: action table {table.name!r} has heads "
                    f"with so many choices: {choices}, and takes odds above 0"
                )
        return self

    @model_validator(mode="after")
    def _batch_divides(self) -> "TrainConfig":
        if not self.league.share and self.rollout_size % self.ppo.batch_size:
            raise ValueError(
                f"ppo.batch_size {self.ppo.batch_size} does not divide the rollout of "
                f"{self.rollout_size} samples (ppo.n_steps {self.ppo.n_steps} x "
                f"{self.n_learners} agents): choose sizes that do"
            )
        return self

    @model_validator(mode="after")
    def _segments_fit(self) -> "TrainConfig":
        segment, ppo = self.auxiliary.segment, self.ppo
        segmented = self.auxiliary.piece_length > 1
        if segmented and (ppo.n_steps % segment or ppo.batch_size % segment):
            raise ValueError(
                f"auxiliary.segment {segment} does not divide ppo.n_steps {ppo.n_steps} and "
                f"ppo.batch_size {ppo.batch_size}: with auxiliary tasks, and with "
                "auxiliary.always_segments, it must divide both"
            )
        if self.auxiliary.latent_prediction and self.auxiliary.latent_steps >= segment:
            raise ValueError(
                f"auxiliary.latent_steps {self.auxiliary.latent_steps} reaches beyond "
                f"auxiliary.segment {segment}: choose fewer steps or longer segments"
            )
        return self


_PRESETS: Traversable = resources.files("lucy.agent.presets")


def presets() -> list[str]:
    """The names of the training presets that come with Lucy."""
    names = (file.name for file in _PRESETS.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_preset(
    name: str, changes: Mapping[str, Any] | None = None, base: str | None = None
) -> TrainConfig:
    """A preset with some settings changed.

    Args:
        name: of the preset.
        changes: dotted key -> value, such as {"ppo.gamma": 0.99}.
        base: preset that takes the place of the one which `name` stands on in the end.

    Raises:
        ConfigError: an unknown preset or key, a value that does not fit, or a preset that
            stands on no other or on itself.
    """
    return change(_preset_settings(name, base), changes or {})


def _preset_settings(
    name: str, bottom: str | None = None, above: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What a preset says, over what its base says; `above` are those that stand on it."""
    if name not in presets():
        whose = f"the base of preset {above[-1]!r} is an unknown" if above else "unknown"
        raise ConfigError(
            f"{whose} preset {name!r}{suggest(name, presets())}: expected one of {presets()}"
        )
    if name in above:
        raise ConfigError(
            f"presets stand on each other in a circle: {' -> '.join([*above, name])}; "
            "take the base out of one of them"
        )
    settings = tomllib.loads(_PRESETS.joinpath(f"{name}.toml").read_text("utf-8"))
    base = settings.pop("base", None)
    if base is not None:
        return _over(_preset_settings(base, bottom, (*above, name)), settings)
    if bottom is None:
        return settings
    if not above:
        raise ConfigError(
            f"preset {name!r} stands on no other, so there is no base to change: take an ablation"
        )
    return _preset_settings(bottom)


def _over(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings over those of a base, section by section."""
    merged = dict(base)
    for key, value in settings.items():
        is_section = isinstance(value, Mapping)
        merged[key] = {**base.get(key, {}), **value} if is_section else value
    return merged


def change(
    settings: Mapping[str, Any], changes: Mapping[str, Any], reward: Path | None = None
) -> TrainConfig:
    """Settings with some of them changed, checked.

    Args:
        settings: section by section.
        changes: dotted key -> value.
        reward: file that is read in place of `environment.reward`: a run's own copy.

    Raises:
        ConfigError: see `load_preset`.
    """
    settings = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in settings.items()
    }
    for key, value in changes.items():
        section, _, field = key.rpartition(".")
        _check_key(key)
        (settings.setdefault(section, {}) if section else settings)[field] = value
    try:
        return TrainConfig.model_validate(settings, context={"reward": reward})
    except RewardSpecError as error:
        raise ConfigError(str(error)) from error
    except ValidationError as error:
        raise ConfigError("; ".join(map(_problem, error.errors(include_url=False)))) from error


def _problem(error: Any) -> str:
    """One of pydantic's errors, in our words."""
    where = ".".join(map(str, error["loc"]))
    start = f"{where}: " if where else ""
    if cause := error.get("ctx", {}).get("error"):  # a message of our own
        return str(cause) if where in str(cause) else f"{start}{cause}"
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "extra_forbidden":
        return f"unknown setting {where!r}"
    expected = error["msg"].removeprefix("Input should be ").partition(", unable to")[0]
    got = repr(error["input"])
    return f"{start}expected {expected}, got {got if len(got) <= 80 else got[:80] + '…'}"


def parse_changes(assignments: Sequence[str]) -> dict[str, Any]:
    """`key=value` of the command line, the value as TOML or else a word.

    Raises:
        ConfigError: no equals sign.
    """
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set takes key=value, such as ppo.gamma=0.99; got {assignment!r}")
        try:
            changes[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):  # not all that tomllib raises is its own
            changes[key.strip()] = text.strip()
    return changes


def _check_key(key: str) -> None:
    known = [
        f"{name}.{field}" if isinstance(kind, type) and issubclass(kind, _Section) else name
        for name, kind in ((n, f.annotation) for n, f in TrainConfig.model_fields.items())
        for field in (
            kind.model_fields if isinstance(kind, type) and issubclass(kind, _Section) else [""]
        )
    ]
    if key not in known:
        section = key.partition(".")[0]
        inside = [name for name in known if name.startswith(f"{section}.")]
        raise ConfigError(
            f"unknown setting {key!r}{suggest(key, known)}: expected one of "
            f"{inside or list(TrainConfig.model_fields)}"
        )
