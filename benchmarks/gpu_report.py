"""What `lucy bench gpu` has found, as tables: on a console and as Markdown."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from .gpu import GpuResult, Variant

_GIGA = 1e9
_SETTINGS = ("arenas", "precision", "minibatch")


class Section(NamedTuple):
    """One table."""

    title: str
    columns: Sequence[str]
    rows: list[list[str]]


def print_result(console: Console, result: GpuResult) -> None:
    """Show all tables."""
    for section in _sections(result):
        table = Table(title=section.title)
        for index, column in enumerate(section.columns):
            table.add_column(column, justify="right" if index else "left")
        for row in section.rows:
            table.add_row(*row)
        console.print(table)


def to_markdown(result: GpuResult) -> str:
    """All tables, under a heading."""
    lines = [f"# {result.preset} on {result.facts.get('name', result.facts['device'])}"]
    for title, columns, rows in _sections(result):
        lines += ["", f"## {title}", ""]
        body = [list(columns), ["---"] * len(columns), *rows]
        lines += [f"| {' | '.join(row)} |" for row in body]
    return "\n".join(lines) + "\n"


def _sections(result: GpuResult) -> Iterator[Section]:
    yield Section("Device", ("", ""), [[name, str(fact)] for name, fact in result.facts.items()])
    rows = [[check.name, "yes" if check.passed else "NO", check.found] for check in result.checks]
    yield Section("Is it right?", ("", "passed", "found"), rows)
    yield _rates(result)
    yield _updates(result)
    yield _variants(result)
    yield _phases(result)
    yield _work(result)
    yield _bounds(result)
    if result.training is not None:
        done = result.training
        row = [
            f"{done.steps:,}",
            f"{done.resumed_steps:,}",
            "yes" if done.games_go_on else "no",
            f"{done.overall:,.0f}",
        ]
        columns = ("steps", "after resuming", "games went on", "steps/s")
        yield Section(f"Training, in {done.run_dir}", columns, [row])


def _rates(result: GpuResult) -> Section:
    rates = result.rates
    rows = [
        ["float32 products, TFLOP/s", f"{rates.float32 / 1e12:.2f}"],
        ["bf16 products, TFLOP/s", f"{rates.bf16 / 1e12:.2f}"],
        ["memory, read and written, GB/s", f"{rates.bytes / _GIGA:.1f}"],
        ["smallest operator, µs", f"{1e6 / rates.launches:.2f}"],
        ["to the device, GB/s", f"{rates.to_device / _GIGA:.1f}"],
        ["from the device, GB/s", f"{rates.from_device / _GIGA:.1f}"],
    ]
    return Section("Measured rates", ("", ""), rows)


def _updates(result: GpuResult) -> Section:
    rows = [
        [
            update.precision,
            f"{update.worst:.1e}",
            f"{update.weights:.1e}",
            "yes" if update.equal else "NO",
        ]
        for update in result.updates
    ]
    columns = ("precision", "losses differ by", "weights moved otherwise by", "within tolerance")
    return Section("An update beside the CPU's in float32, relative", columns, rows)


def _variants(result: GpuResult) -> Section:
    rows = [
        [
            *_settings(variant),
            f"{variant.overall:,.0f}",
            f"{variant.collected:,.0f}",
            f"{variant.gigabytes:.1f}",
        ]
        for variant in result.variants
    ]
    return Section("Training", (*_SETTINGS, "steps/s", "collected", "GB"), rows)


def _phases(result: GpuResult) -> Section:
    rows = []
    for variant in result.variants:
        spent = variant.microseconds
        overlap = min(spent["environment"], spent["inference"])
        figures = [f"{value:.2f}" for value in (*spent.values(), overlap)]
        rows.append([*_settings(variant), *figures])
    columns = (*_SETTINGS, *result.variants[0].microseconds, "overlap")
    title = "Phases, µs an agent-step; overlap is what doing the first two at once could save"
    return Section(title, columns, rows)


def _settings(variant: Variant) -> list[str]:
    return [f"{variant.arenas:,}", variant.precision, f"{variant.batch:,}"]


def _work(result: GpuResult) -> Section:
    rows = [
        [name, f"{work.operations / 1e6:.3f}", f"{work.bytes / 1e3:.1f}", f"{work.launches:.4f}"]
        for name, work in result.work.items()
    ]
    columns = ("", "million operations", "kB", "launches")
    title = "Work, a sample: inference and values once, the rest in every epoch"
    return Section(title, columns, rows)


def _bounds(result: GpuResult) -> Section:
    rows = [
        [
            bound.phase,
            *(f"{value:.2f}" for value in bound.microseconds.values()),
            bound.by,
            f"{bound.measured:.2f}",
            f"{max(bound.microseconds.values()) / bound.measured:.0%}",
        ]
        for bound in result.bounds
    ]
    columns = ("phase", *result.bounds[0].microseconds, "bound by", "measured", "bound / measured")
    return Section("Least time, µs an agent-step", columns, rows)
