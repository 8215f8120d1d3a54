"""`lucy bots`: which bots there are, and how published ones are brought."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .messages import console

bots = typer.Typer(no_args_is_help=True, help="Opponents: which there are, and bringing more.")


@bots.command("list")
def list_bots() -> None:
    """The bots that can play, by name."""
    from .opponents import SCRIPTED, SHIPPED
    from .opponents.bot_files import (
        PUBLISHED,
        BotFileError,
        bots_folder,
        check_published,
        installed_bots,
        refused_files,
    )
    from .opponents.bot_files import load_weights as load

    table = Table(box=None)
    for column in ("bot", "network", "weights"):
        table.add_column(column, overflow="fold")
    for name in SCRIPTED:
        table.add_row(name, "none", "none: a script")
    for name in SHIPPED:
        table.add_row(name, "Lucy's", "shipped with Lucy")
    installed = installed_bots()
    for name, path in installed.items():
        try:
            weights = load(path)
            check_published(path, name, weights)
        except BotFileError as error:
            table.add_row(name, "?", str(error))
            continue
        of = f"as published for {weights.known}" if weights.known else "of someone's own"
        table.add_row(name, weights.architecture, of)
    for path, why in refused_files().items():
        table.add_row(path.name, "?", f"never plays: {why}")
    missing = [name for name in PUBLISHED if name not in installed]
    for name in missing:
        table.add_row(name, name[:5], "missing: lucy bots import its file")
    console.print(table)
    console.print(
        f"Weights lie in {bots_folder()}. Checkpoints, runs and module:function can play too."
    )


@bots.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="necto-model.pt, nexto-model.pt, or their tensors.")],
    name: Annotated[
        str | None,
        typer.Option(help="To play it by. [default: the published bot's, or the file's]"),
    ] = None,
) -> None:
    """Bring a bot's weights; the file is read as data, and nothing in it is run."""
    from ..sim.shell import shell_line
    from .opponents.bot_files import import_bot

    done = import_bot(file, name)
    console.print(f"Imported as {done.name}, {done.path}.")
    if done.known_file:
        known = f"a known one: the published file of {done.known_file}"
    elif done.known_weights:
        known = f"unknown, but it holds the published weights of {done.known_weights}"
    else:
        known = f"unknown: the weights are of {done.architecture.title()}'s shape, by someone else"
    console.print(f"The file's hash, {done.sha256}, is {known}.")
    console.print(f"Let it play: {shell_line('lucy', 'match', done.name, 'chaser')}")
