"""The command line, `lucy`: its commands and what they are called with.

Commands import what they need when they run, so that `--help` answers at once.
"""

import json
import sys
import traceback
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_ablate import ablate
from .cli_bots import bots
from .cli_dashboard import dashboard
from .cli_gpu import gpu
from .cli_match import match
from .cli_rewards import rewards
from .cli_rlbot import export, watch
from .cli_tournament import tournament
from .messages import console, prepare_streams, transient_bar, visible

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Train Rocket League agents by self-play, and see how good they are.",
)
bench = typer.Typer(no_args_is_help=True, help="Measure this machine, side by side with peers.")
app.add_typer(bench, name="bench")
bench.command()(gpu)
replays = typer.Typer(no_args_is_help=True, help="People's games, as recordings.")
app.add_typer(replays, name="replays")
app.add_typer(bots, name="bots")
app.add_typer(rewards, name="rewards")
app.command()(ablate)
app.command()(dashboard)
app.add_typer(export, name="export")
app.command()(match)
app.command()(watch)
app.command()(tournament)


class Mode(StrEnum):
    """Cars a side."""

    ONE = "1v1"
    TWO = "2v2"
    THREE = "3v3"


class TrainMode(StrEnum):
    """Cars a side, or all three sizes side by side."""

    ONE = "1v1"
    TWO = "2v2"
    THREE = "3v3"
    MIXED = "mixed"


JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the table's figures there.")
]


@app.command()
def train(
    preset: Annotated[
        str, typer.Option(help="lucy-skg: as published. lucy-cpu: learns fast on two cores.")
    ] = "lucy-skg",
    steps: Annotated[int | None, typer.Option(help="Agent-steps in all. [default: preset]")] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where it all goes. [default: runs/PRESET]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest whole checkpoint.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    mode: Annotated[TrainMode | None, typer.Option(help="[default: preset]")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random. [default: 0]")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting, such as ppo.gamma=0.99; repeatable.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Database of all runs, or none; by default lucy.db beside the run directory.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Rollout workers in Ray, a core each. [default: none]"),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Of a running Ray, such as auto. [default: start one here]"
        ),
    ] = None,
) -> None:
    """Train an agent by self-play; Ctrl-C stops it with its work saved."""
    from ..sim.shell import shell_line
    from .config import ConfigError, parse_changes
    from .device import parse_device
    from .store import check_url, shown_url
    from .train import start_settings
    from .train import train as run_training

    named = {
        "steps": steps,
        "seed": seed,
        "environment.mode": None if mode is None else mode.value,
    }
    if ray_address is not None and workers is None:
        raise ConfigError("--ray-address says where rollout workers run: give --workers with it")
    changes = {key: value for key, value in named.items() if value is not None}
    changes |= parse_changes(settings or [])
    run_dir = run_dir or Path("runs") / preset
    chosen = parse_device(device)
    config = start_settings(run_dir, preset, changes, resume)
    given_store = store
    store = str(run_dir.parent / "lucy.db") if store is None else store
    if store == "none":
        store = None
    else:
        check_url(store)
    console.print(
        f"Training {config.environment.mode} in {run_dir} on {chosen}: "
        f"{config.n_learners} agents, {config.rollout_size:,} samples an iteration."
    )
    result = run_training(
        config,
        run_dir,
        resume=resume,
        device=chosen,
        console=console,
        store=store,
        workers=workers,
        ray_address=ray_address,
    )
    if result.checkpoint is None:
        console.print(f"Stopped before the first checkpoint; {run_dir} can be resumed from zero.")
    elif result.interrupted:
        console.print(f"Stopped at {result.steps:,} steps, saved as {result.checkpoint}.")
        again = ["lucy", "train", "--resume", "--run-dir", run_dir]
        again += [] if given_store is None else ["--store", shown_url(given_store)]
        console.print(f"Go on with: {shell_line(*again)}")
    else:
        console.print(f"Done: {result.steps:,} steps, saved as {result.checkpoint}.")
        console.print(f"See it play: {shell_line('lucy', 'match', run_dir, 'chaser')}")


@replays.command("import")
def replays_import(
    files: Annotated[
        list[str], typer.Argument(metavar="REPLAY...", help="Files, folders or *.replay patterns.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the recordings go.")
    ],
) -> None:
    """Turn .replay files into recordings; those that cannot be read are named and skipped."""
    from .replay_files import find_replays, run_import

    found = find_replays(files, console)
    imported = run_import(found, output, console)
    console.print(f"{imported} of {len(found)} replays imported into {output}.")


@bench.command("sim")
def bench_sim(
    mode: Annotated[Mode, typer.Option(help="Cars a side.")] = Mode.TWO,
    arenas: Annotated[int, typer.Option(min=1, help="Arenas at once.")] = 64,
    cores: Annotated[
        int | None, typer.Option(min=1, help="Threads and processes. [default: all cores]")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Physics, reward and observation beside raw RocketSim and RLGym v2, in one run."""
    from ..benchmarks import sim

    with transient_bar(console) as progress:
        task = progress.add_task("measuring", total=1.0)
        result = sim.run(
            mode=mode.value,
            arenas=arenas,
            cores=cores,
            progress=lambda done: progress.update(task, completed=done),
        )
    sim.print_result(console, result)
    write_json(json_file, asdict(result))


@bench.command("rewards")
def bench_rewards(
    mode: Annotated[Mode, typer.Option(help="Cars a side.")] = Mode.TWO,
    arenas: Annotated[int, typer.Option(min=1, help="Arenas at once.")] = 64,
    json_file: JsonFile = None,
) -> None:
    """Rewards with and without their decomposition, and observations, beside plain NumPy."""
    from ..benchmarks import rewards as measured

    result = measured.run(mode=mode.value, arenas=arenas)
    measured.print_result(console, result)
    write_json(json_file, asdict(result))


@bench.command("train")
def bench_train(
    preset: Annotated[
        str, typer.Option(help="Also measured as `lucy train` runs it; none for none.")
    ] = "lucy-cpu",
    workers: Annotated[
        int, typer.Option(min=0, help="Also measured with so many rollout workers in Ray.")
    ] = 0,
    rlgym_learn: Annotated[
        bool,
        typer.Option(
            "--rlgym-learn",
            help="Beside rlgym-learn, which is installed for it on the first use: about 1 GB.",
        ),
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="In which each has an iteration.")] = 5,
    device: Annotated[str, typer.Option(help="Of our learner: auto, cpu, cuda, …")] = "cpu",
    json_file: JsonFile = None,
) -> None:
    """Phases of training and steps/s, on request beside rlgym-learn on the same work."""
    from ..benchmarks import train as measured
    from ..benchmarks.peer_environment import default_folder
    from .device import parse_device

    with transient_bar(console) as progress:
        task = progress.add_task("measuring", total=1.0)
        result = measured.run(
            preset=None if preset == "none" else preset,
            workers=workers,
            rounds=rounds,
            device=parse_device(device),
            peer_folder=default_folder() if rlgym_learn else None,
            progress=lambda done: progress.update(task, completed=done),
        )
    measured.print_result(console, result)
    write_json(json_file, asdict(result))


@bench.command("growth")
def bench_growth(
    preset: Annotated[str, typer.Option(help="Whose games and network.")] = "lucy-cpu",
    most: Annotated[
        int, typer.Option("--arenas", min=16, max=4096, help="At most; 4096 take about 8 GB.")
    ] = 4096,
    json_file: JsonFile = None,
) -> None:
    """Cost and memory of collecting by arenas and processes, of reward prediction by window."""
    from ..benchmarks import growth

    with transient_bar(console) as progress:
        task = progress.add_task("measuring", total=1.0)
        result = growth.run(
            preset=preset,
            arenas=[count for count in growth.ARENAS if count <= most],
            progress=lambda done: progress.update(task, completed=done),
        )
    growth.print_result(console, result)
    write_json(json_file, asdict(result))


@app.command()
def demo(
    run_dir: Annotated[Path, typer.Option(help="Where it all goes.")] = Path("runs/demo"),
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Agent-steps of training, on top of those there. [default: 2 million]"
        ),
    ] = None,
) -> None:
    """The whole loop: train 2 million steps, play before and after, write a report.

    It takes three to four minutes on two free cores; once more goes on from there.
    """
    from .demo import run_demo

    run_demo(run_dir, steps, console)


def write_json(path: Path | None, data: Any) -> None:
    """Write a command's figures where the user asked for them."""
    if path is not None:
        path.write_text(json.dumps(data, indent=2) + "\n", "utf-8")
        console.print(f"Figures written to {path}.")


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error arose; also after the command.")
    ] = False,
) -> None:
    """What all commands have in common; `main` looks after it."""


def main() -> None:
    """Run a command; an error is one line and exit status 1, its traceback is for --debug."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    prepare_streams()
    try:
        app(arguments, prog_name="lucy")
    except KeyboardInterrupt:
        print("lucy: interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"lucy: {visible(error_line(error))}", file=sys.stderr)
        sys.exit(1)


def error_line(error: Exception) -> str:
    """What a user is told of an error that ended a command."""
    from ..rewards.errors import one_line
    from .errors import LucyError

    ours = type(error).__module__.startswith("lucy.")
    if isinstance(error, LucyError) or (ours and isinstance(error, ValueError)):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory ({one_line(error)}): ask for less at once, or close other programs"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"the system refused: {error.strerror}"
    return (
        f"internal error: {one_line(error)}. This is a mistake in Lucy: please run it again with "
        "--debug and report what it prints"
    )
