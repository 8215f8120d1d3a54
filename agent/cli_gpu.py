"""`lucy bench gpu`: everything about a new device in one command."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .messages import console


def gpu(
    preset: Annotated[str, typer.Option(help="What is trained.")] = "lucy-skg",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    arenas: Annotated[
        list[int] | None,
        typer.Option(min=1, help="At once; repeatable. [default: 80, 200, 400, 1000]"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Iterations of each variant.")] = 2,
    seconds: Annotated[
        float, typer.Option(min=1.0, help="Of the training, and of its resumption.")
    ] = 120.0,
    run_dir: Annotated[
        Path | None, typer.Option(help="Of that training. [default: runs/gpu-PRESET]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables there.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")
    ] = None,
) -> None:
    """Is a GPU right, how fast, what bounds it; then a training on it, stopped and resumed."""
    from ..benchmarks import gpu as measured
    from ..benchmarks.gpu_report import print_result, to_markdown
    from .config import load_preset, parse_changes
    from .device import parse_device
    from .errors import LucyError

    result = measured.run(
        preset,
        load_preset(preset, parse_changes(settings or [])),
        parse_device(device),
        arenas=arenas or measured.ARENAS,
        rounds=rounds,
        seconds=seconds,
        run_dir=run_dir or Path("runs") / f"gpu-{preset}",
        tell=lambda what: console.print(f"Measuring {what} …"),
    )
    print_result(console, result)
    if markdown is not None:
        markdown.write_text(to_markdown(result), "utf-8")
        console.print(f"Tables written to {markdown}.")
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(result), indent=2) + "\n", "utf-8")
        console.print(f"Figures written to {json_file}.")
    if failed := [check.name for check in result.checks if not check.passed]:
        raise LucyError(f"{result.facts['device']} is not right: it fails {'; '.join(failed)}")
