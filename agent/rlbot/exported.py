"""What an exported bot's folder says of its network: written by `export`, read by `bot`."""

import json
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from safetensors import SafetensorError

from ...sim.actions import ACTION_TABLES
from ...sim.observations import LucyObservation
from .. import checkpoint
from ..config import NetworkConfig
from ..errors import LucyError
from ..opponents.policy_bot import PolicyBot, untrained_policy

SETTINGS = "lucy.json"
WEIGHTS = "policy.safetensors"


class ExportError(LucyError):
    """A bot cannot be exported, or an exported one not be read."""


class ExportedBot(BaseModel):
    """The content of `lucy.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["lucy-rlbot"] = "lucy-rlbot"
    format_version: Literal[1] = 1
    lucy: str
    checkpoint: str
    observation: str
    action_table: str
    network: NetworkConfig
    deterministic: bool

    @field_validator("observation")
    @classmethod
    def _observation_is_ours(cls, version: str) -> str:
        if version != LucyObservation.version:
            raise ValueError(f"this Lucy builds {LucyObservation.version!r}")
        return version

    @field_validator("action_table")
    @classmethod
    def _table_exists(cls, name: str) -> str:
        if name not in ACTION_TABLES:
            raise ValueError(f"this Lucy knows {list(ACTION_TABLES)}")
        return name


def load_bot(folder: Path) -> PolicyBot:
    """The bot in an exported folder.

    Raises:
        ExportError: the folder is damaged, or of another version of Lucy.
        CheckpointError: the weights are of another network.
    """
    settings = read_settings(folder)
    try:
        tensors = safetensors.torch.load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise _unreadable(folder / WEIGHTS, error) from error
    policy = untrained_policy(settings.network, settings.action_table)
    checkpoint.load_policy_tensors(policy, tensors, source=folder / WEIGHTS)
    return PolicyBot(
        settings.checkpoint, policy, settings.action_table, deterministic=settings.deterministic
    )


def read_settings(folder: Path) -> ExportedBot:
    """What `lucy.json` says.

    Raises:
        ExportError: there is none, or none that this Lucy can use.
    """
    try:
        data: Any = json.loads((folder / SETTINGS).read_text("utf-8"))
        return ExportedBot.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'it'} is {e['input']!r}: {e['msg']}"
            for e in error.errors(include_url=False)
        )
        raise _unreadable(folder / SETTINGS, problems) from error
    except (OSError, ValueError) as error:
        raise _unreadable(folder / SETTINGS, error) from error


def _unreadable(path: Path, reason: object) -> ExportError:
    return ExportError(
        f"{path}: no part of a bot that this Lucy can play ({reason}). "
        "Export the checkpoint again with `lucy export rlbot`."
    )
