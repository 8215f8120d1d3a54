"""`RewardSpec`: a reward as a small TOML file, checked once when it is read."""

import difflib
import math
import tomllib
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .components import COMPONENTS


class RewardSpecError(ValueError):
    """A reward file that cannot be used; the message says what is wrong and where."""


class Term(BaseModel):
    """One component with its parameters, or a KRC of several: a line of the reward's table."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    component: str | None = None
    krc: list["Term"] | None = None
    name: str = ""
    weight: float = 1.0

    @property
    def parameters(self) -> list[float]:
        """The component's three parameters in its kernel's order, zero where it has fewer."""
        known = COMPONENTS[self.component or ""].parameters
        values = [float((self.model_extra or {}).get(key, value)) for key, value in known.items()]
        return values + [0.0] * (3 - len(values))

    @model_validator(mode="after")
    def _check(self) -> "Term":
        if (self.component is None) == (self.krc is None):
            raise ValueError("a term takes one of component and krc")
        if self.krc is not None:
            if not self.krc or self.model_extra:
                raise ValueError("krc takes one or more terms, and beside it only name and weight")
            self.name = self.name or "krc_" + "_".join(term.name for term in self.krc)
            return self
        self._check_component(self.component or "")
        self.name = self.name or (self.component or "")
        return self

    def _check_component(self, component: str) -> None:
        if component not in COMPONENTS:
            raise ValueError(
                f"unknown component {component!r}{suggest(component, COMPONENTS)}: "
                f"expected one of {list(COMPONENTS)}"
            )
        kind = COMPONENTS[component]
        for key, value in (self.model_extra or {}).items():
            if key not in kind.parameters:
                raise ValueError(
                    f"{component} has no parameter {key!r}; it takes {list(kind.parameters)}"
                )
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{component}: {key} must be a number, got {value!r}")
            if key in kind.positive and not 0 < value < math.inf:
                raise ValueError(f"{component}: {key} must be above 0, got {value}")
            if not math.isfinite(value):
                raise ValueError(f"{component}: {key} must be finite, got {value}")


class RewardSpec(BaseModel):
    """Potential terms that shape, events that pay, and how teams share.

    Source: Lucy-SKG's reward; see `presets/lucy-skg.toml` for the format.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    potential: list[Term] = []
    events: list[Term] = []
    gamma: float = Field(1.0, ge=0, le=1)
    team_spirit: float = Field(0.3, ge=0, le=1)
    zero_sum: float = Field(1.0, ge=0, le=1)

    @property
    def terms(self) -> list[Term]:
        """Potential terms, then events: the order of the decomposition's columns."""
        return self.potential + self.events

    @model_validator(mode="after")
    def _check(self) -> "RewardSpec":
        if not self.terms:
            raise ValueError("a reward needs at least one potential or events term")
        names = [term.name for term in self.terms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two terms are called {twice}: give one another name")
        return self


def presets() -> list[str]:
    """The names of the rewards that come with Lucy."""
    files = resources.files("lucy.rewards.presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_spec(name: str) -> RewardSpec:
    """Read a reward preset by name or a spec file by path.

    Raises:
        RewardSpecError: no such preset or file, no TOML, or not a valid reward.
    """
    if name in presets():
        text = resources.files("lucy.rewards.presets").joinpath(f"{name}.toml").read_text("utf-8")
    elif name.endswith(".toml"):
        try:
            text = Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RewardSpecError(f"cannot read the reward file {name}: {error}") from error
    else:
        raise RewardSpecError(
            f"unknown reward {name!r}{suggest(name, presets())}: expected one of {presets()} "
            "or the path of a .toml file"
        )
    try:
        return RewardSpec.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RewardSpecError(f"{name} is not TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}".lstrip(": ") for e in error.errors()
        )
        raise RewardSpecError(f"{name} is not a valid reward: {problems}") from error


def suggest(word: str, words) -> str:
    """', did you mean …?' for the word's nearest neighbour, or nothing."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
