"""`lucy rewards`: what rewards there are, and what one is made of."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

rewards = typer.Typer(no_args_is_help=True, help="Look at rewards: components and specs.")
console = Console()


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
