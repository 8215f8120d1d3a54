"""`lucy export` and `lucy watch`: agents in Rocket League itself, and matches to look at."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .messages import console

export = typer.Typer(no_args_is_help=True, help="Agents for other programs.")


@export.command("rlbot")
def export_rlbot(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint or a run, whose newest it is.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The bot; named as this folder.")
    ],
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The bot plays its likeliest actions.")
    ] = False,
) -> None:
    """Write a bot that plays in Rocket League itself, through RLBot v5."""
    from importlib.util import find_spec

    from .rlbot.export import export_bot

    exported = export_bot(checkpoint, output, deterministic=deterministic)
    console.print(f"Exported {exported.checkpoint} into {output}.")
    console.print(f"Add it to a match in RLBot's window: choose {output / 'bot.toml'}.")
    if find_spec("rlbot") is None:
        console.print('This Python cannot start it yet: pip install "lucy-skg[rlbot]"')


def watch(
    blue: Annotated[
        str, typer.Argument(help="A bot (lucy bots list), a checkpoint, a run or module:function.")
    ],
    orange: Annotated[str, typer.Argument(help="The other bot.")],
    mode: Annotated[Literal["1v1", "2v2", "3v3"], typer.Option(help="Cars a side.")] = "1v1",
    seed: Annotated[int, typer.Option(min=0, help="Of the game.")] = 0,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Checkpoints play their likeliest actions.")
    ] = False,
) -> None:
    """Watch two bots play five minutes in RLViser, which must be running; Ctrl-C stops."""
    from .match_report import table
    from .opponents import folder_notice, make_bot
    from .watch import Viewer, play_before

    for notice in filter(None, map(folder_notice, (blue, orange))):
        console.print(notice)
    first, second = (make_bot(name, deterministic=deterministic) for name in (blue, orange))
    viewer = Viewer()
    console.print(
        "Streaming to RLViser. rlviser-py also tries to start one from this folder, and may say "
        "that it failed: that is of no matter."
    )
    console.print(table(play_before(viewer, first, second, mode=mode, seed=seed)))
