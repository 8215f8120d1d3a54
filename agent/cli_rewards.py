"""`lucy rewards`: what rewards there are, what one is made of, and what it does."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from .messages import console

rewards = typer.Typer(no_args_is_help=True, help="Look at rewards: components and specs.")

SpecName = Annotated[str, typer.Option("--spec", help="A preset's name or a reward file.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the tables' figures there.")
]


class Plane(StrEnum):
    """The axes that a surface lies in, across and up."""

    XY = "xy"
    XZ = "xz"
    YZ = "yz"


class Moved(StrEnum):
    """What is moved over a surface."""

    BALL = "ball"
    CAR = "car"


@rewards.command("list")
def list_rewards() -> None:
    """The presets, and every component with its formula and parameters."""
    from ..rewards.registry import COMPONENTS
    from ..rewards.spec import presets

    console.print(f"Presets: {', '.join(presets())}")
    table = Table(title="Components", box=None)
    table.add_column("component", no_wrap=True)
    table.add_column("what it pays")
    table.add_column("parameters")
    for name, component in COMPONENTS.items():
        parameters = ", ".join(f"{key} = {_plain(v)}" for key, v in component.parameters.items())
        table.add_row(name, component.formula.removesuffix("."), parameters)
    console.print(table)


@rewards.command()
def show(
    spec: Annotated[str, typer.Argument(help="A preset's name or a reward file.")],
) -> None:
    """One reward: its terms with weights and parameters, and how teams share."""
    loaded = load_reward(spec)
    table = Table(title=spec, box=None)
    for column in ("section", "term", "weight", "made of"):
        table.add_column(column, overflow="fold")
    for section in ("potential", "events"):
        for term in getattr(loaded, section):
            table.add_row(section, term.name, _weight(term.weight), _made_of(term))
    console.print(table)
    console.print(
        f"gamma {loaded.gamma:g}, team_spirit {loaded.team_spirit:g}, zero_sum {loaded.zero_sum:g}"
    )


@rewards.command("eval")
def evaluate(
    play: Annotated[Path, typer.Argument(metavar="RECORDING", help="A .npz or .replay file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A .parquet or .csv file.")
    ],
    spec: SpecName = "lucy-skg",
    json_file: JsonFile = None,
) -> None:
    """What a reward pays on recorded play: a row a step, player and component."""
    from ..rewards.evaluate import TABLE_SUFFIXES, save_table
    from . import reward_analysis as analysis

    loaded = load_reward(spec)
    _check_outputs({output: TABLE_SUFFIXES}, json_file)
    table = analysis.evaluate_file(loaded, play)
    try:
        save_table(table, output)
    except OSError as error:
        raise analysis.AnalysisError(
            f"{output}: cannot be written ({error}); choose another place"
        ) from error
    sums = analysis.player_sums(table)
    console.print(analysis.sums_table(sums))
    console.print(f"{len(table):,} rows written to {output}.")
    _write_json(json_file, {"spec": spec, "rows": len(table), "players": sums})


@rewards.command()
def report(
    play: Annotated[
        list[str],
        typer.Argument(metavar="RECORDING...", help="Files (.npz, .replay), folders, patterns."),
    ],
    spec: SpecName = "lucy-skg",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Draw it, as .html or .png."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """What each part of a reward does on recorded play, and which parts go together."""
    from ..rewards.drawing import PICTURE_SUFFIXES
    from ..rewards.report import to_json
    from ..rewards.report_figure import report_figure
    from . import reward_analysis as analysis

    loaded = load_reward(spec)
    _check_outputs({output: PICTURE_SUFFIXES} if output else {}, json_file)
    files = analysis.find_play(play)
    result = analysis.report_files(loaded, files)
    analysis.print_report(console, result)
    recordings = f"{len(files)} recording{'s' if len(files) > 1 else ''}"
    if output:
        _draw(report_figure(result, f"{spec} on {recordings}"), output)
    _write_json(json_file, {"spec": spec, "files": [str(file) for file in files]} | to_json(result))


@rewards.command()
def surface(
    reward: Annotated[str, typer.Argument(help="A component, a preset or a reward file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A .html or .png file.")
    ],
    term: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this term of the preset or file.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A component's parameter; repeatable."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE,…",
            help="A picture for each value, side by side; a second one goes down.",
        ),
    ] = None,
    plane: Annotated[Plane, typer.Option("--axes", help="Across and up.")] = Plane.XY,
    move: Annotated[Moved, typer.Option(help="What is moved over the field.")] = Moved.BALL,
    ball: Annotated[str, typer.Option(metavar="X,Y,Z", help="In uu.")] = "0,0,93.15",
    ball_velocity: Annotated[str, typer.Option(metavar="X,Y,Z", help="In uu/s.")] = "0,0,0",
    car: Annotated[
        str, typer.Option(metavar="X,Y,Z", help="The blue car that is paid.")
    ] = "0,-2500,17",
    car_velocity: Annotated[
        str, typer.Option(metavar="X,Y,Z", help="It looks where it drives.")
    ] = "0,1410,0",
    mate: Annotated[
        list[str] | None, typer.Option(metavar="X,Y,Z", help="One more blue car; repeatable.")
    ] = None,
    opponent: Annotated[
        list[str] | None, typer.Option(metavar="X,Y,Z", help="An orange car; repeatable.")
    ] = None,
    boost: Annotated[float, typer.Option(min=0, max=1, help="Of every car.")] = 0.33,
    touch: Annotated[bool, typer.Option("--touch", help="The car touches the ball.")] = False,
) -> None:
    """The arena as a map: a reward's value wherever the ball or the car may be."""
    from ..rewards.drawing import PICTURE_SUFFIXES
    from ..rewards.surface import Scene
    from ..rewards.surface_figure import surface_figure
    from . import reward_analysis as analysis

    scene = Scene(
        axes=plane.value,
        moved=move.value,
        ball=analysis.parse_place("--ball", ball),
        ball_velocity=analysis.parse_vector("--ball-velocity", ball_velocity),
        car=analysis.parse_place("--car", car),
        car_velocity=analysis.parse_vector("--car-velocity", car_velocity),
        mates=tuple(analysis.parse_place("--mate", place) for place in mate or []),
        opponents=tuple(analysis.parse_place("--opponent", place) for place in opponent or []),
        boost=boost,
        touch=touch,
    )
    _check_outputs({output: PICTURE_SUFFIXES}, None)
    panels = analysis.make_surfaces(reward, scene, term, settings or [], vary or [])
    title = f"{reward}: {term}" if term else reward
    _draw(surface_figure(panels, " ".join([title, *(settings or [])])), output)


def _check_outputs(files: dict[Path, tuple[str, ...]], json_file: Path | None) -> None:
    from .reward_analysis import check_output

    for file, suffixes in files.items():
        check_output(file, suffixes)
    if json_file:
        check_output(json_file)


def _write_json(path: Path | None, data: Any) -> None:
    if path:
        path.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", "utf-8")
        console.print(f"Figures written to {path}.")


def _draw(figure: Any, output: Path) -> None:
    from ..rewards.drawing import PictureError, save_picture
    from .reward_analysis import AnalysisError

    try:
        save_picture(figure, output)
    except PictureError as error:
        raise AnalysisError(str(error)) from error
    console.print(f"Picture written to {output}.")


def load_reward(name: str) -> Any:
    """The spec of this name.

    Raises:
        LucyError: what is wrong with it.
    """
    from ..rewards.spec import RewardSpecError, load_spec
    from .errors import LucyError

    try:
        return load_spec(name)
    except RewardSpecError as error:
        raise LucyError(str(error)) from error


def _made_of(term: Any) -> str:
    if term.parts:
        inner = ", ".join(
            _made_of(part) + (f" · {part.weight:g}" if part.weight != 1 else "")
            for part in term.parts
        )
        return f"{'krc' if term.krc else 'sum'}({inner})"
    given = ", ".join(f"{key}={_plain(value)}" for key, value in (term.model_extra or {}).items())
    return f"{term.component}({given})" if given else str(term.component)


def _weight(weight: Any) -> str:
    if isinstance(weight, float):
        return f"{weight:g}"
    return " -> ".join(f"{value:g} at {steps:,}" for steps, value in weight.points)


def _plain(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
