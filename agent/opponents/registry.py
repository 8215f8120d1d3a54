"""From the name of a bot to the bot."""

from pathlib import Path
from typing import Any

from ...rewards.spec import suggest
from ...sim.shell import shell_line
from ..errors import LucyError
from .base import Bot
from .bot_files import PUBLISHED, bots_folder, installed_bots, refused_files
from .import_path import IMPORT_PATH, import_bot_factory
from .own_bots import SCRIPTED, SHIPPED
from .policy_bot import checkpoint_bot
from .published import published_bot


class BotError(LucyError):
    """There is no such bot, or it has no such option; the message names those that there are."""


def make_bot(name: str, *, deterministic: bool = False) -> Bot:
    """The bot of this name, import path or checkpoint.

    Args:
        name: `random`, `idle`, `chaser`, `striker`; `lucy`, our own; a bot of the bots folder,
            such as `necto`, `nexto` or `nexto:beta=0.5,kickoff=scripted`; the path of a
            checkpoint or a run directory; or `module:function`, see `import_path`. The first
            of these that there is: a folder called `chaser` is `./chaser`.
        deterministic: checkpoints and policies play their likeliest actions instead of
            sampling. Necto and Nexto do so at beta 1, the default.

    Raises:
        BotError: no such bot or option.
        BotFileError: the weights cannot be used.
        CheckpointError: the checkpoint cannot be used.
        ImportPathError: the user's own bot cannot be made.
    """
    if name in SCRIPTED:
        return SCRIPTED[name]()
    if name in SHIPPED:
        bot = checkpoint_bot(SHIPPED[name], deterministic=deterministic)
        bot.name = name
        return bot
    head, _, options = name.partition(":")
    weights = installed_bots()
    if head in weights:
        return published_bot(name, weights[head], **_options(name, options))
    if head in PUBLISHED:
        raise BotError(
            f"the bot {head!r} has no weights in {bots_folder()}: bring its own file, with "
            "lucy bots import necto-model.pt (or nexto-model.pt)"
        )
    if Path(name).exists():
        return checkpoint_bot(Path(name), deterministic=deterministic)
    if IMPORT_PATH.fullmatch(name):
        return import_bot_factory(name, deterministic=deterministic)
    for path, why in refused_files().items():
        if path.stem.lower() == head.lower():
            raise BotError(f"{path} cannot play: {why}")
    names = sorted({*bot_names(), *PUBLISHED})
    raise BotError(
        f"unknown bot {name!r}{suggest(head, names)}: expected one of {names}, the path of a "
        "checkpoint or a run directory, or module:function"
    )


def folder_notice(name: str) -> str | None:
    """What the user should know: that a folder in this place is not what plays by its name."""
    if name.partition(":")[0] not in bot_names() or not Path(name).exists():
        return None
    return f"{name!r} is the bot of that name; for the folder, say {shell_line(Path(name))}"


def is_named(name: str) -> bool:
    """Whether a bot goes by this name, so that no path is meant by it."""
    return name.partition(":")[0] in {*bot_names(), *PUBLISHED}


def bot_names() -> list[str]:
    """The bots that play by a name of their own."""
    return sorted({*SCRIPTED, *SHIPPED, *installed_bots()})


def _options(name: str, options: str) -> dict[str, Any]:
    """`beta=0.5,kickoff=scripted` as arguments of `published_bot`."""
    found: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key == "beta" and (beta := _number(value)) is not None and 0 <= beta <= 1:
            found["beta"] = beta
        elif (key, value) == ("kickoff", "scripted"):
            found["scripted_kickoff"] = True
        else:
            raise BotError(
                f"{name!r}: expected beta=B with B from 0 (anything) over 0.5 (sampled) to 1 (the "
                f"likeliest action), or kickoff=scripted, after the colon; got {option!r}"
            )
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
