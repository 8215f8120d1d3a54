"""`lucy ablate`: which part of a training makes a difference."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .messages import console


def ablate(
    presets: Annotated[
        list[str], typer.Argument(metavar="PRESET...", help="Such as ablation-base ablation-rp.")
    ],
    steps: Annotated[int, typer.Option(min=1, help="Agent-steps of each run.")] = 5_000_000,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each preset.")] = 3,
    run_dir: Annotated[Path, typer.Option(help="Where it all goes.")] = Path("runs/ablation"),
    base: Annotated[
        str | None,
        typer.Option(help="Preset that ablations stand on, such as lucy-skg. [default: lucy-cpu]"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all; repeatable."),
    ] = None,
    games: Annotated[
        int, typer.Option(min=1, help="Of every run against random, and against chaser.")
    ] = 20,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    report: Annotated[
        bool, typer.Option("--report", help="Train no further: report the runs that are finished.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the table's figures there.")
    ] = None,
) -> None:
    """Train presets side by side, then compare them; the same command goes on after a stop."""
    from .ablation import Ablation, announce, compare, train_all
    from .config import parse_changes
    from .device import parse_device
    from .typed_paths import placed

    changes = placed(parse_changes(settings or []))
    plan = Ablation(tuple(dict.fromkeys(presets)), seeds, run_dir, steps, base, changes)
    runs = plan.runs
    for run in runs:
        run.check()
    announce(runs, console)
    store = str(run_dir / "lucy.db")
    if not report and not train_all(runs, parse_device(device), console, store):
        console.print(
            "Stopped with its work saved. The same command goes on; with --report it compares "
            "what is finished."
        )
        return
    figures = compare(runs, games, run_dir, console, store)
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", "utf-8")
        console.print(f"Figures written to {json_file}.")
