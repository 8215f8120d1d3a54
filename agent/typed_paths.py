"""Paths in settings as a user types them, made to hold in any folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .opponents.registry import is_named


def placed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the paths in them made absolute: dotted key -> value."""
    return {key: _placed(key, value) for key, value in changes.items()}


def _placed(key: str, value: Any) -> Any:
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
    if not isinstance(name, str) or not Path(name).exists() or is_named(name):
        return name
    return str(Path(name).absolute())
