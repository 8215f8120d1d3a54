"""From the name of a bot to the bot."""

from pathlib import Path

from ...rewards.spec import suggest
from ..errors import LucyError
from .base import Bot
from .policy_bot import checkpoint_bot
from .scripted import ChaserBot, IdleBot, RandomBot

SCRIPTED = {bot.name: bot for bot in (RandomBot, IdleBot, ChaserBot)}


class BotError(LucyError):
    """There is no such bot; the message names those that there are."""


def make_bot(name: str, *, deterministic: bool = False) -> Bot:
    """The bot of this name, or of the checkpoint at this path.

    Args:
        name: `random`, `idle`, `chaser`, or the path of a checkpoint or a run directory.
        deterministic: a checkpoint plays its likeliest actions instead of sampling.

    Raises:
        BotError: neither a bot's name nor an existing path.
        CheckpointError: the checkpoint cannot be used.
    """
    if name in SCRIPTED:
        return SCRIPTED[name]()
    if not Path(name).exists():
        raise BotError(
            f"unknown bot {name!r}{suggest(name, SCRIPTED)}: expected one of {list(SCRIPTED)}, "
            "or the path of a checkpoint or a run directory"
        )
    return checkpoint_bot(Path(name), deterministic=deterministic)
