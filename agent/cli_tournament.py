"""`lucy tournament`: who is better, and how certain that is."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .messages import console

_DEFAULT_STORE = "runs/lucy.db"


class Mode(StrEnum):
    """Cars a side."""

    ONE = "1v1"
    TWO = "2v2"
    THREE = "3v3"


def tournament(
    bots: Annotated[list[str], typer.Argument(metavar="BOT...", help="Bots, checkpoints or runs.")],
    mode: Annotated[Mode, typer.Option(help="Cars a side.")] = Mode.ONE,
    games: Annotated[
        int, typer.Option(min=1, max=100_000, help="Five-minute games of each pair.")
    ] = 20,
    anchors: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor",
            metavar="BOT",
            help="Play this one instead of each other; repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every game.")] = 0,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Checkpoints play their likeliest actions.")
    ] = False,
    store: Annotated[
        str, typer.Option(metavar="URL", help="Database that keeps every game.")
    ] = _DEFAULT_STORE,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the table's figures there.")
    ] = None,
) -> None:
    """Everybody plays everybody; the same command again goes on where it was stopped."""
    from . import tournament_report as shown
    from .opponents import folder_notice
    from .reward_analysis import check_output
    from .store import Store, shown_url
    from .tournament import arrange

    for notice in filter(None, map(folder_notice, [*bots, *(anchors or [])])):
        console.print(notice)
    arranged = arrange(
        bots,
        anchors or [],
        mode=mode.value,
        games=games,
        seed=seed,
        deterministic=deterministic,
    )
    if json_file:
        check_output(json_file)
    if store == _DEFAULT_STORE:
        Path(store).parent.mkdir(exist_ok=True)
    with Store.open(store) as opened:
        try:
            shown.play_with_progress(arranged, opened, console)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
        report = shown.report(arranged, opened)
        if not interrupted:
            shown.keep_ratings(report, opened)
    console.print(shown.table(report))
    for line in shown.verdicts(report):
        console.print(line)
    if json_file:
        figures = json.dumps(shown.to_json(report), indent=2, allow_nan=False) + "\n"
        json_file.write_text(figures, "utf-8")
        console.print(f"Figures written to {json_file}.")
    if interrupted:
        played = sum(len(pairing.goals) for pairing in report.pairings)
        console.print(
            f"Stopped after {played:,} of {games * len(report.pairings):,} games, which are in "
            f"{shown_url(store)}; the same command goes on."
        )
        raise typer.Exit(130)
