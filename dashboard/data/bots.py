"""Bots' names as pages show them."""

import re

_CHECKPOINT = re.compile(r"(?:.*[/\\])?([^/\\]+)[/\\]checkpoints[/\\]step-(\d+)")


def bot_label(name: str) -> str:
    """A checkpoint by its run and agent-steps in place of its path; any other name as it is."""
    found = _CHECKPOINT.fullmatch(name)
    return f"{found[1]} @ {int(found[2]):,}" if found else name


def run_name(bot: str) -> str:
    """The run that a bot was named by, or whose checkpoint it is."""
    return re.split(r"[/\\]", bot_label(bot).partition(" @ ")[0])[-1]
