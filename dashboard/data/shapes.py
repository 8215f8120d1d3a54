"""Rewards as shapes over the field: what can be turned on them, and the surface that results."""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...rewards.errors import RewardError
from ...rewards.registry import COMPONENTS
from ...rewards.spec import RewardSpec, RewardSpecError, Schedule, Term, component_spec, term_spec
from ...rewards.surface import REACH, Axes, Scene, surface
from .errors import DataError
from .specs import Specs

_APART, _APART_DRAGGED = 86.0, 172.0  # uu between the points of a surface
_MOST_KNOBS = 200

Place = tuple[
    Annotated[float, Field(ge=REACH[0][0], le=REACH[0][1])],
    Annotated[float, Field(ge=REACH[1][0], le=REACH[1][1])],
    Annotated[float, Field(ge=REACH[2][0], le=REACH[2][1])],
]
Speed = Annotated[float, Field(ge=-6000, le=6000)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SceneRequest(_Request):
    """What is where; see `Scene`."""

    axes: Axes = "xy"
    moved: Literal["ball", "car"] = "ball"
    ball: Place
    ball_velocity: tuple[Speed, Speed, Speed]
    car: Place
    car_velocity: tuple[Speed, Speed, Speed]
    mates: list[Place] = Field([], max_length=2)
    opponents: list[Place] = Field([], max_length=3)
    boost: float = Field(0.33, ge=0, le=1)
    touch: bool = False


class ShapeRequest(_Request):
    """A reward with its knobs turned."""

    reward: str = Field(max_length=200)
    term: str = Field("", max_length=200)  # of it, alone
    knobs: dict[str, float] = Field({}, max_length=_MOST_KNOBS)
    scene: SceneRequest
    fine: bool = True


class Knob(NamedTuple):
    """A number of a reward that can be turned."""

    path: str  # in its document
    term: str  # that it belongs to
    name: str
    value: float


def rewards(specs: Specs) -> list[dict[str, Any]]:
    """Every component and whole reward, with its knobs, as a page offers them."""
    listed: list[dict[str, Any]] = []
    for kind, names in (("reward", specs.names()), ("component", list(COMPONENTS))):
        for name in names:
            try:
                spec = _spec(specs, name)
            except DataError:  # a file that is no reward, or not any more
                continue
            whole = kind == "reward"
            listed.append(
                {
                    "name": name,
                    "kind": kind,
                    "terms": [term.name for term in spec.terms] if whole else [],
                    "knobs": [knob._asdict() for knob in knobs(spec, whole)],
                    "formula": "" if whole else COMPONENTS[name].formula,
                }
            )
    return listed


def knobs(spec: RewardSpec, whole: bool = True) -> list[Knob]:
    """The weights and parameters of a reward; of a lone component its parameters."""
    found = [
        knob
        for section in ("potential", "events")
        for i, term in enumerate(getattr(spec, section))
        for knob in _knobs(term, f"{section}.{i}", term.name, whole)
    ]
    shared = [Knob(name, "", name, getattr(spec, name)) for name in ("team_spirit", "zero_sum")]
    return found + (shared if whole else [])


def turned(specs: Specs, reward: str, given: Mapping[str, float]) -> RewardSpec:
    """A reward with some knobs turned.

    Raises:
        DataError: no such reward or knob, or a value that it does not take.
    """
    spec = _spec(specs, reward)
    known = {knob.path for knob in knobs(spec)}
    document = spec.model_dump(exclude_none=True, exclude={"parts"})
    for path, value in given.items():
        if path not in known:
            raise DataError(f"{reward} has no {path[:80]!r} that could be turned.")
        _put(document, path.split("."), value)
    try:
        return RewardSpec.model_validate(document)
    except (ValidationError, RewardSpecError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise DataError(first.removeprefix("Value error, ")) from error


def shape(specs: Specs, request: ShapeRequest) -> bytes:
    """The surface for the browser: a JSON text's length, the text, and rows of float32.

    A row runs along the first of the scene's axes, the rows along the second; NaN outside the
    field.

    Raises:
        DataError: the reward cannot be made, or a component of it fails.
    """
    spec = turned(specs, request.reward, request.knobs)
    if request.term:
        try:
            spec = term_spec(spec, request.term)
        except RewardSpecError as error:
            raise DataError(str(error)) from error
    given: dict[str, Any] = request.scene.model_dump()
    given |= {name: tuple(given[name]) for name in ("mates", "opponents")}
    scene = Scene(**given)
    try:
        result = surface(spec, scene, points=_points(scene, request.fine))
    except RewardError as error:
        raise DataError(str(error)) from error
    values = np.ascontiguousarray(result.value, "<f4")
    about = {
        "axes": scene.axes,
        "rows": values.shape[0],
        "columns": values.shape[1],
        "x": [float(result.across[0]), float(result.across[-1])],
        "y": [float(result.up[0]), float(result.up[-1])],
        "low": float(np.nanmin(values)),
        "high": float(np.nanmax(values)),
        "flat": result.is_flat,
    }
    text = json.dumps(about).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + values.tobytes()


def _points(scene: Scene, fine: bool) -> tuple[int, int]:
    """How many points a surface has up and across."""
    apart = _APART if fine else _APART_DRAGGED
    across, up = (round((REACH[axis][1] - REACH[axis][0]) / apart) for axis in scene.plane)
    return up, across


def to_toml(spec: RewardSpec) -> str:
    """A reward as the text of a TOML file that `load_spec` reads."""
    lines = [f"{name} = {_plain(getattr(spec, name))}" for name in _SHARED]
    for section in ("potential", "events"):
        for term in getattr(spec, section):
            lines += ["", f"[[{section}]]"]
            lines += [f"{key} = {_plain(value)}" for key, value in _table(term).items()]
    return "\n".join(lines) + "\n"


_SHARED = ("gamma", "team_spirit", "zero_sum")


def _spec(specs: Specs, name: str) -> RewardSpec:
    if name in COMPONENTS:
        return component_spec(name, {})
    return specs.get(name)


def _knobs(term: Term, path: str, owner: str, weighed: bool) -> Iterator[Knob]:
    if weighed:
        yield Knob(f"{path}.weight", owner, f"{_label(term, owner)}weight", term.weight_at(0))
    for name, value in term.parameters.items():
        yield Knob(f"{path}.{name}", owner, f"{_label(term, owner)}{name}", value)
    kind = "krc" if term.krc else "sum"
    for i, part in enumerate(term.parts):
        yield from _knobs(part, f"{path}.{kind}.{i}", owner, True)


def _label(term: Term, owner: str) -> str:
    return "" if term.name == owner else f"{term.name}: "


def _put(document: Any, path: list[str], value: float) -> None:
    for key in path[:-1]:
        document = document[int(key)] if isinstance(document, list) else document[key]
    default = COMPONENTS[document["component"]].parameters if document.get("component") else {}
    is_flag = isinstance(default.get(path[-1]), bool)
    document[path[-1]] = bool(value) if is_flag else value


def _table(term: Term) -> dict[str, Any]:
    given = term.model_dump(exclude_none=True)
    kind = next(key for key in ("component", "krc", "sum") if key in given)
    parts = {kind: [_table(part) for part in term.parts]} if kind != "component" else {}
    plain = {key: value for key, value in given.items() if key not in ("weight", "name")}
    if kind == "component" and given["name"] == given["component"]:
        named = {}
    else:
        named = {"name": given["name"]}
    weight: Any = term.weight
    if isinstance(weight, Schedule):
        weight = [list(point) for point in weight.points]
    return named | plain | parts | {"weight": weight}


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_plain(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return json.dumps(value)  # numbers, flags and names are written as JSON writes them
