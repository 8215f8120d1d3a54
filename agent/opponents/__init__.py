"""Bots that play matches: scripted ones and checkpoints, all behind one small interface."""

from .base import Bot
from .registry import SCRIPTED, BotError, make_bot

__all__ = ["SCRIPTED", "Bot", "BotError", "make_bot"]
