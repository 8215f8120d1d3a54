"""Names as they are shown: never two equal ones for different players or bots.

A checkpoint goes by its run's folder and its agent-steps, and by as many folders above as tell it
from the others that are shown. Whatever is equal then is counted: the second is `name (2)`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import count

_CHECKPOINT = re.compile(r"(.+)[/\\]checkpoints[/\\]step-(\d+)", re.DOTALL)


def distinct(names: Sequence[str]) -> list[str]:
    """Names that can be told apart: the second of equal ones is `name (2)`; empty ones stay."""
    taken, shown = set(names), []
    for name in names:
        new = name
        if name and name in shown:
            numbered = (f"{name} ({number})" for number in count(2))
            new = next(other for other in numbered if other not in taken)
        taken.add(new)
        shown.append(new)
    return shown


def bot_labels(bots: Sequence[str]) -> list[str]:
    """Short names for bots that are shown together; equal bots are counted.

    Args:
        bots: names; those of checkpoints are paths such as `runs/a/checkpoints/step-000000000064`.
    """
    labels = {bot: _label(bot, 1) for bot in bots}
    folders = 1
    while True:
        often = Counter(labels.values())
        folders += 1
        longer = {bot: _label(bot, folders) for bot, label in labels.items() if often[label] > 1}
        if all(labels[bot] == label for bot, label in longer.items()):
            return distinct([labels[bot] for bot in bots])
        labels |= longer


def bot_label(bot: str) -> str:
    """A bot that is shown alone, by its short name."""
    return _label(bot, 1)


def storable(name: str) -> str:
    """A name that every file and database can keep: bytes that are no text become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def run_folder(bot: str) -> str | None:
    """The directory of the run whose checkpoint this is, None for another bot."""
    found = _CHECKPOINT.fullmatch(bot)
    return found[1] if found else None


def _label(bot: str, folders: int) -> str:
    found = _CHECKPOINT.fullmatch(bot)
    if found is None:
        return bot
    parts = re.split(r"[/\\]", found[1])
    run = found[1] if folders >= len(parts) else "/".join(parts[-folders:])
    return f"{run} @ {int(found[2]):,}"
