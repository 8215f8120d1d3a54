"""Bots that play matches: scripted ones, Necto and Nexto, checkpoints, behind one interface."""

from .base import Bot, PartingBot
from .own_bots import SCRIPTED, SHIPPED
from .registry import BotError, bot_names, folder_notice, make_bot

__all__ = [
    "SCRIPTED",
    "SHIPPED",
    "Bot",
    "BotError",
    "PartingBot",
    "bot_names",
    "folder_notice",
    "make_bot",
]
