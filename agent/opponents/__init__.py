"""Bots that play matches: scripted ones, Necto and Nexto, checkpoints, behind one interface."""

from .base import Bot, PartingBot
from .registry import SCRIPTED, SHIPPED, BotError, bot_names, make_bot

__all__ = ["SCRIPTED", "SHIPPED", "Bot", "BotError", "PartingBot", "bot_names", "make_bot"]
