"""Paths in settings as a user types them, made to hold in any folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def placed(key: str, value: Any) -> Any:
    """The value of a setting with the paths in it made absolute."""
    if key == "environment.replays" and isinstance(value, str):
        return str(Path(value).absolute())
    if key == "environment.reward" and isinstance(value, str) and value.endswith(".toml"):
        return str(Path(value).absolute())
    if key == "rating.anchors" and isinstance(value, list):
        return [_placed_bot(bot) for bot in value]
    if key == "league.bots" and isinstance(value, Mapping):
        return {_placed_bot(bot): weight for bot, weight in value.items()}
    return value


def _placed_bot(name: Any) -> Any:
    if not isinstance(name, str) or not Path(name).exists():
        return name
    from .opponents.registry import is_named  # which takes long to import

    return name if is_named(name) else str(Path(name).absolute())
