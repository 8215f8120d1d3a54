"""Bots that play matches: scripted ones, Necto and Nexto, checkpoints, behind one interface."""

from .base import Bot, PartingBot
from .registry import SCRIPTED, BotError, make_bot

__all__ = ["SCRIPTED", "Bot", "BotError", "PartingBot", "make_bot"]
