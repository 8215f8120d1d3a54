"""`lucy match`: two bots against each other."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import LucyError
from .messages import console

if TYPE_CHECKING:
    from .match import MatchResult
    from .opponents import Bot

_GAMES = 10


class MatchOptionsError(LucyError):
    """Options that do not go together."""


class Mode(StrEnum):
    """Cars a side."""

    ONE = "1v1"
    TWO = "2v2"
    THREE = "3v3"


def match(
    blue: Annotated[
        str, typer.Argument(help="A bot (lucy bots list), a checkpoint, a run or module:function.")
    ],
    orange: Annotated[str, typer.Argument(help="The other bot.")],
    mode: Annotated[Mode, typer.Option(help="Cars a side.")] = Mode.ONE,
    games: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help=f"Of five minutes, and overtime. [default: {_GAMES}]"),
    ] = None,
    goals: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="In place of games: a race to so many goals."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every game.")] = 0,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Checkpoints play their likeliest actions.")
    ] = False,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Record all games there, as .npz.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database to add games and goals to, such as lucy.db."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the table's figures there.")
    ] = None,
) -> None:
    """Let two bots play; they swap sides from game to game."""
    from .match_report import race_with_progress, table, to_json
    from .opponents import folder_notice, make_bot
    from .reward_analysis import check_output

    if goals is not None:
        given = {"--games": games, "--record": record, "--store": store}
        wrong = [option for option, value in given.items() if value is not None]
        if wrong:
            raise MatchOptionsError(
                f"--goals {goals} and {wrong[0]} do not go together: a race is a row of kickoffs, "
                f"not of games; leave one of the two out"
            )
    if json_file is not None:
        check_output(json_file)
    for notice in filter(None, map(folder_notice, (blue, orange))):
        console.print(notice)
    first, second = (make_bot(name, deterministic=deterministic) for name in (blue, orange))
    if goals is None:
        result = _play(first, second, mode.value, games or _GAMES, seed, record, store)
    else:
        result = race_with_progress(console, first, second, mode.value, goals, seed)
    console.print(table(result))
    if record is not None:
        console.print(f"Games recorded in {record}.")
    if json_file is not None:
        json_file.write_text(json.dumps(to_json(result), indent=2) + "\n", "utf-8")
        console.print(f"Figures written to {json_file}.")


def _play(
    first: "Bot",
    second: "Bot",
    mode: str,
    games: int,
    seed: int,
    record: Path | None,
    store: str | None,
) -> "MatchResult":
    """Games, recorded and stored where that is wanted."""
    from .match import GAME_SECONDS, OVERTIME_SECONDS
    from .match_recording import MatchRecording
    from .match_report import play_with_progress, to_matches
    from .store import Store

    kept = None if store is None else Store.open(store)  # before anyone plays in vain
    longest = GAME_SECONDS + OVERTIME_SECONDS
    recording = MatchRecording(record, mode, games, seed, longest) if record else None
    options = {"record": recording.recorder.append} if recording else {}
    given = (console, first, second, mode, games, seed, OVERTIME_SECONDS)
    result = play_with_progress(*given, **options)
    if recording:
        recording.save(result)
    if kept is not None:
        with kept:
            entry = kept.add_recording(recording.entry(result)) if recording else None
            kept.add_matches(to_matches(result, seed, entry))
    return result
