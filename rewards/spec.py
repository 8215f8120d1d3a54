"""`RewardSpec`: a reward as a small TOML file, checked once when it is read."""

import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

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

from .custom import CustomComponent, CustomError, is_custom, load_custom
from .errors import RewardError, one_line
from .modules import import_module, own_sources, place
from .registry import COMPONENTS
from .toml_lines import line_of

Loc = tuple[str | int, ...]


class RewardSpecError(RewardError):
    """A reward file that cannot be used; the message says what is wrong and where."""


class _TermError(ValueError):
    """What is wrong with a term, at the key below it that it is wrong with."""

    def __init__(self, message: str, *below: str | int) -> None:
        super().__init__(message)
        self.below = below


class Schedule(BaseModel):
    """A weight that changes with training: linear between its points, constant beyond them."""

    model_config = ConfigDict(frozen=True)

    points: tuple[tuple[int, float], ...]  # agent-steps and weight, in order

    def at(self, steps: int) -> float:
        """The weight after so many agent-steps."""
        before = [point for point in self.points if point[0] <= steps]
        after = [point for point in self.points if point[0] > steps]
        if not before or not after:
            return (before or after)[-1 if before else 0][1]
        (start, low), (end, high) = before[-1], after[0]
        return low + (high - low) * (steps - start) / (end - start)


class Term(BaseModel):
    """One component with its parameters, or a KRC or sum of several: a line of the table."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    component: str | None = None
    krc: list["Term"] | None = None
    sum: list["Term"] | None = None
    name: str = ""
    weight: float | Schedule = 1.0
    _custom: CustomComponent | None = PrivateAttr(None)

    @property
    def parts(self) -> list["Term"]:
        """What a KRC or a sum is made of; nothing for a component."""
        return self.krc or self.sum or []

    @property
    def custom(self) -> CustomComponent | None:
        """The user's function, where the component is one."""
        return self._custom

    @property
    def parameters(self) -> dict[str, float]:
        """All of the component's parameters, in its kernel's order."""
        if self.component is None:
            return {}
        given = self.model_extra or {}
        return {key: float(given.get(key, default)) for key, default in self._known().items()}

    @property
    def constant_weight(self) -> float:
        """The weight of a term inside a KRC or a sum."""
        assert not isinstance(self.weight, Schedule)
        return self.weight

    def weight_at(self, steps: int) -> float:
        """The weight after so many agent-steps of training."""
        return self.weight.at(steps) if isinstance(self.weight, Schedule) else self.weight

    def _known(self) -> dict[str, Any]:
        if self._custom is not None:
            return self._custom.parameters
        return COMPONENTS[self.component or ""].parameters

    @field_validator("weight", mode="before")
    @classmethod
    def _read_schedule(cls, weight: Any) -> Any:
        if isinstance(weight, dict | list):
            return _schedule(weight)
        if isinstance(weight, bool) or not isinstance(weight, int | float | Schedule):
            raise ValueError(f"weight must be a number or a schedule, got {weight!r}")
        if not isinstance(weight, Schedule) and not _is_finite(weight):
            raise ValueError(f"weight must be finite, got {str(weight)[:20]}")
        return weight

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> "Term":
        kinds = [kind for kind in ("component", "krc", "sum") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            message = f"a term takes one of component, krc and sum, got {kinds or 'none'}"
            near = [suggest(key, ["component", "krc", "sum"]) for key in self.model_extra or {}]
            raise _TermError(message + "".join(near), *kinds[1:])
        if self.component is None:
            self._check_group(kinds[0])
        else:
            self._check_component(self.component, (info.context or {}).get("folder"))
        return self

    def _check_group(self, kind: str) -> None:
        if not self.parts:
            raise _TermError(f"{kind} is empty: it takes one or more terms", kind)
        for key in self.model_extra or {}:
            raise _TermError(f"{kind} takes no {key!r}; beside it only name and weight", key)
        for i, part in enumerate(self.parts):
            if isinstance(part.weight, Schedule):
                message = "a weight's schedule stands on a whole term, not inside krc or sum"
                raise _TermError(message, kind, i, "weight")
        self.name = self.name or f"{kind}_" + "_".join(part.name for part in self.parts)

    def _check_component(self, component: str, folder: Path | None) -> None:
        if is_custom(component):
            try:
                self._custom = load_custom(component, folder)
            except CustomError as error:
                raise _TermError(str(error), "component") from error
        elif component not in COMPONENTS:
            raise _TermError(
                f"unknown component {component!r}{suggest(component, COMPONENTS)}: "
                "`lucy rewards list` shows all; a function of yours is 'module:function'",
                "component",
            )
        self._check_parameters(component)
        self.name = self.name or component.rpartition(":")[2]

    def _check_parameters(self, component: str) -> None:
        known = self._known()
        given = self.model_extra or {}
        positive = () if self._custom else COMPONENTS[component].positive
        for key, value in given.items():
            if key not in known:
                near = suggest(key, [*known, "weight", "name"])
                takes = f"it takes {list(known)}" if known else "it takes none"
                raise _TermError(f"{component} has no parameter {key!r}{near}; {takes}", key)
            _check_number(component, key, value, known[key], key in positive)
        missing = [key for key, default in known.items() if default is None and key not in given]
        if missing:
            raise _TermError(f"{component} needs the parameter {missing[0]!r}", "component")


def _check_number(component: str, key: str, value: Any, default: Any, positive: bool) -> None:
    where = f"{component}: {key}"
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise _TermError(f"{where} must be true or false, got {value!r}", key)
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _TermError(f"{where} must be a number, got {value!r}", key)
    if positive and not 0 < value < math.inf:
        raise _TermError(f"{where} must be above 0, got {value}", key)
    if not _is_finite(value):
        raise _TermError(f"{where} must be finite, got {str(value)[:20]}", key)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _schedule(given: dict | list) -> Schedule:
    """The schedule of `{ steps = weight, … }` or `[[steps, weight], …]`."""
    pairs = list(given.items()) if isinstance(given, dict) else given
    points = []
    for pair in pairs:
        try:
            steps, value = pair
            point = int(steps), float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{pair!r} is no point of a schedule: expected agent-steps and a weight, as in "
                "{ 0 = 1.0, 10_000_000 = 0.1 } or [[0, 1.0], [10_000_000, 0.1]]"
            ) from error
        if point[0] < 0 or not math.isfinite(point[1]):
            raise ValueError(f"{pair!r}: steps must be 0 or more and the weight finite")
        points.append(point)
    if not points:
        raise ValueError("a schedule needs one or more points")
    if [steps for steps, _ in points] != sorted({steps for steps, _ in points}):
        raise ValueError("a schedule's steps must rise from point to point")
    return Schedule(points=tuple(points))


class RewardSpec(BaseModel):
    """Potential terms that shape, events that pay, and how teams share.

    Source: Lucy-SKG's reward; see `presets/lucy-skg.toml` for the format.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    parts: dict[str, Term] = {}  # that krc and sum may name
    potential: list[Term] = []
    events: list[Term] = []
    gamma: float = Field(1.0, ge=0, le=1)
    team_spirit: float = Field(0.3, ge=0, le=1)
    zero_sum: float = Field(1.0, ge=0, le=1)
    _text: str = PrivateAttr("")

    @property
    def files(self) -> dict[str, bytes]:
        """All that it is made of, as it was read: path below the reward file's folder -> content.

        The user's own modules are among them; of installed ones only a hash is.
        """
        files = {"reward.toml": self._text.encode()}
        installed: dict[str, str] = {}
        for custom in self._customs():
            files |= {place(name, source): source.text for name, source in custom.sources.items()}
            installed |= custom.installed
        if installed:
            files["installed.json"] = json.dumps(installed, sort_keys=True).encode()
        return files

    def files_at(self, text: str, folder: Path | None) -> dict[str, bytes]:
        """The same as `files` of this text and the modules as they are now; nothing is run.

        Raises:
            OSError: a module cannot be read.
        """
        files = {"reward.toml": text.encode()}
        for custom in self._customs():
            own = own_sources(custom.name.partition(":")[0], folder, also=custom.sources)
            files |= {place(name, source): source.text for name, source in own.items()}
        return files

    def import_error(self, folder: Path) -> str | None:
        """Why the modules of its components cannot be imported from a copy, if so.

        Args:
            folder: holds `files`.
        """
        for custom in self._customs():
            module = custom.name.partition(":")[0]
            try:
                import_module(module, folder, own_sources(module, folder, also=custom.sources))
            except (Exception, SystemExit) as error:  # whatever the user's module raises
                return f"{custom.name!r} raised {one_line(error)}"
        return None

    def _customs(self) -> Iterator[CustomComponent]:
        waiting = self.terms
        while waiting:
            term = waiting.pop()
            waiting += term.parts
            if term.custom is not None:
                yield term.custom

    @property
    def terms(self) -> list[Term]:
        """Potential terms, then events: the order of the decomposition's columns."""
        return self.potential + self.events

    @model_validator(mode="before")
    @classmethod
    def _put_parts_in(cls, given: Any) -> Any:
        parts = given.get("parts") if isinstance(given, dict) else None
        if not isinstance(given, dict) or not isinstance(parts, dict | None):
            return given
        known = parts or {}
        for name in known:
            if name in COMPONENTS:
                raise _TermError(f"a part cannot have a component's name, {name!r}", "parts", name)
        filled = {name: _filled(part, known, (name,)) for name, part in known.items()}
        lists = {
            section: [_filled(term, known, ()) for term in given[section]]
            for section in ("potential", "events")
            if isinstance(given.get(section), list)
        }
        return given | lists | ({"parts": filled} if filled else {})

    @model_validator(mode="after")
    def _check(self) -> "RewardSpec":
        if not self.terms:
            raise ValueError("a reward needs at least one potential or events term")
        seen: set[str] = set()
        for section in ("potential", "events"):
            for i, term in enumerate(getattr(self, section)):
                if term.name in seen:
                    message = f"two terms are called {term.name!r}: give one another name"
                    raise _TermError(message, section, i)
                if term.name == "total":
                    message = "no term can be called 'total', which is the sum of all"
                    raise _TermError(message, section, i)
                seen.add(term.name)
        return self


def _filled(term: Any, parts: dict[str, Any], inside: tuple[str, ...]) -> Any:
    """The term with the names in its krc or sum replaced by the parts of that name."""
    if not isinstance(term, dict):
        return term
    return {
        key: [_part(part, parts, inside) for part in value]
        if key in ("krc", "sum") and isinstance(value, list)
        else value
        for key, value in term.items()
    }


def _part(part: Any, parts: dict[str, Any], inside: tuple[str, ...]) -> Any:
    if not isinstance(part, str):
        return _filled(part, parts, inside)
    if part in inside:
        way = " -> ".join([*inside[inside.index(part) :], part])
        raise _TermError(f"parts contain one another: {way}", "parts", inside[-1])
    if part in parts:
        named = {"name": part, **parts[part]} if isinstance(parts[part], dict) else parts[part]
        return _filled(named, parts, (*inside, part))
    return {"component": part}


def presets() -> list[str]:
    """The names of the rewards that come with Lucy."""
    files = resources.files("lucy.rewards.presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def read_text(name: str) -> str:
    """The text of a reward preset by name or of a spec file by path.

    Raises:
        RewardSpecError: there is no such preset or file.
    """
    if name in presets():
        return resources.files("lucy.rewards.presets").joinpath(f"{name}.toml").read_text("utf-8")
    if not name.endswith(".toml"):
        raise RewardSpecError(
            f"unknown reward {name!r}{suggest(name, presets())}: expected one of {presets()} "
            "or the path of a .toml file"
        )
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RewardSpecError(f"cannot read the reward file {name}: {error}") from error


def load_spec(name: str) -> RewardSpec:
    """Read a reward preset by name or a spec file by path.

    Raises:
        RewardSpecError: no such preset or file, no TOML, or not a valid reward.
    """
    text = read_text(name)
    folder = None if name in presets() else Path(name).parent
    try:
        spec = RewardSpec.model_validate(tomllib.loads(text), context={"folder": folder})
        spec._text = text
        return spec
    except ValidationError as error:
        raise RewardSpecError(f"{name} is not a valid reward: {_report(error, text)}") from error
    except (ValueError, RecursionError) as error:  # not all that tomllib raises is its own
        raise RewardSpecError(f"{name} is not TOML: {error}") from error


def component_spec(component: str, parameters: Mapping[str, float | bool]) -> RewardSpec:
    """A reward of one component alone, which nobody shares.

    Raises:
        RewardSpecError: no such component, or a parameter that it does not take.
    """
    term = {"component": component, **parameters}
    given = {"events": [term], "team_spirit": 0.0, "zero_sum": 0.0}
    try:
        return RewardSpec.model_validate(given)
    except ValidationError as error:
        raise RewardSpecError("; ".join(message for _, message in _problems(error))) from error


def term_spec(spec: RewardSpec, name: str) -> RewardSpec:
    """A reward of one term of another, without its weight, which nobody shares.

    Raises:
        RewardSpecError: there is no such term.
    """
    terms = {term.name: term for term in spec.terms}
    if name not in terms:
        raise RewardSpecError(
            f"no term is called {name!r}{suggest(name, terms)}: expected one of {list(terms)}"
        )
    term = terms[name].model_copy(update={"weight": 1.0})
    alone = {"potential": [], "events": [term], "team_spirit": 0.0, "zero_sum": 0.0}
    return spec.model_copy(update=alone)


def _report(error: ValidationError, text: str) -> str:
    """What is wrong, line by line of the file."""
    problems = list(_problems(error))
    in_parts = {message for loc, message in problems if loc[:1] == ("parts",)}
    found = {
        (line_of(text, loc), message)
        for loc, message in problems
        if loc[:1] == ("parts",) or message not in in_parts  # once, where the part is written
    }
    return "; ".join(f"line {line}: {message}" for line, message in sorted(found))


def _problems(error: ValidationError) -> Iterator[tuple[Loc, str]]:
    for one in error.errors():
        loc, message = one["loc"], one["msg"].removeprefix("Value error, ")
        cause = one.get("ctx", {}).get("error")
        if isinstance(cause, _TermError):
            yield (*loc, *cause.below), message
        elif one["type"] == "extra_forbidden":
            near = suggest(str(loc[-1]), RewardSpec.model_fields)
            yield loc, f"unknown key {loc[-1]!r}{near}: expected {list(RewardSpec.model_fields)}"
        else:
            yield loc, f"{'.'.join(map(str, loc))}: {message[:1].lower()}{message[1:]}".lstrip(": ")


def suggest(word: str, words: Iterable[str]) -> str:
    """', did you mean …?' for the word's nearest neighbour, or nothing."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
