"""`lucy export rlbot`: a checkpoint as a folder that RLBot v5 plays."""

import hashlib
import json
import os
import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import safetensors.torch

from ...sim.actions import ACTION_TABLES
from ...sim.names import storable
from ...sim.observations import LucyObservation
from .. import checkpoint
from ..config import NetworkConfig
from .exported import SETTINGS, WEIGHTS, ExportedBot, ExportError

LOADOUT = "loadout.toml"
_TAGS = {"1v1": ["1v1"], "2v2": ["teamplay"], "3v3": ["teamplay"], "mixed": ["1v1", "teamplay"]}

_SCRIPT = '''\
"""Started by RLBot; plays the network beside this file."""

from pathlib import Path

from lucy.agent.rlbot.bot import run

if __name__ == "__main__":
    run(Path(__file__).parent)
'''

_BOT = """\
# Start this bot with a Python that has what requirements.txt asks for.
[settings]
agent_id = {agent_id}
name = {name}
loadout_file = "loadout.toml"
run_command = {windows}
run_command_linux = {linux}
hivemind = true

[details]
description = {description}
fun_fact = "Learned from kinesthetic rewards in self-play, never from a person's game."
source_link = ""
developer = "Lucy"
language = "Python"
tags = {tags}
"""

# An Octane, the car that Lucy was trained with: another body has another hitbox
_LOADOUT = """\
# Keep car_id 23, an Octane: it is the car that the bot was trained with.
[blue_loadout]
team_color_id = 60
custom_color_id = 0
car_id = 23

[orange_loadout]
team_color_id = 60
custom_color_id = 0
car_id = 23
"""

_REQUIREMENTS = """\
# Where the package index has no Lucy, install it from its own folder: pip install "FOLDER[rlbot]"
lucy-skg[rlbot]>={version}
"""


def export_bot(source: Path, folder: Path, *, deterministic: bool = False) -> ExportedBot:
    """Write a bot that RLBot v5 plays.

    Exporting again into the same folder replaces the network and keeps the loadout, which
    is the user's to change.

    Args:
        source: a checkpoint, or a run directory whose newest is meant.
        folder: where the bot goes; its name is the bot's.
        deterministic: the bot takes its likeliest actions instead of sampling them.

    Returns:
        What was exported.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ExportError: the checkpoint has unknown actions, or the folder holds something else
            or cannot be written.
    """
    loaded = checkpoint.load(source, expected_versions={"observation": LucyObservation.version})
    table = loaded.versions["action"]
    if table not in ACTION_TABLES:
        raise ExportError(
            f"{loaded.path}: was trained with action table {table!r}, but this Lucy knows "
            f"{list(ACTION_TABLES)}; export it with the Lucy that saved it"
        )
    settings = ExportedBot(
        lucy=version("lucy-skg"),
        checkpoint=storable(f"{loaded.path.parent.parent.name}/{loaded.path.name}"),
        observation=LucyObservation.version,
        action_table=table,
        network=NetworkConfig.model_validate(loaded.config["network"]),
        deterministic=deterministic,
    )
    name = storable(folder.resolve().name)
    mode = loaded.config["environment"]["mode"]
    files = {
        WEIGHTS: safetensors.torch.save(loaded.policy),
        SETTINGS: f"{settings.model_dump_json(indent=2)}\n".encode(),
        "bot.py": _SCRIPT.encode(),
        "bot.toml": _bot_toml(name, settings, mode).encode(),
        "requirements.txt": _REQUIREMENTS.format(version=settings.lucy).encode(),
        LOADOUT: _LOADOUT.encode(),
    }
    if (folder / LOADOUT).exists():
        del files[LOADOUT]
    _write(folder, files)
    return settings


def _bot_toml(name: str, settings: ExportedBot, mode: str) -> str:
    windows, linux = r".\venv\Scripts\python bot.py", "./venv/bin/python bot.py"
    if os.name == "nt":
        python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
        windows = f"{python} bot.py"
    else:
        linux = f"{shlex.quote(sys.executable)} bot.py"
    plays = "its likeliest actions" if settings.deterministic else "sampled actions"
    return _BOT.format(
        agent_id=_toml(_agent_id(name)),
        name=_toml(name),
        windows=_toml(windows),
        linux=_toml(linux),
        description=_toml(f"Checkpoint {settings.checkpoint}, trained in {mode}; plays {plays}."),
        tags=json.dumps(_TAGS[mode]),
    )


def _agent_id(name: str) -> str:
    """What RLBot knows a bot by: cars of one are driven by one process, so no two share it."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain == name:
        return f"lucy/{name}"
    return f"lucy/{plain or 'bot'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _toml(text: str) -> str:
    """A TOML string, which JSON's are too, but for one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _write(folder: Path, files: dict[str, bytes]) -> None:
    try:
        if folder.exists() and not (folder / SETTINGS).exists() and any(folder.iterdir()):
            raise ExportError(
                f"{folder}: holds files, but no exported bot; choose an empty or a new folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            temporary = folder / f".tmp-{name}"
            checkpoint.write_durably(temporary, data)
            temporary.replace(folder / name)
    except OSError as error:
        raise ExportError(
            f"{folder}: cannot be written ({error}); choose another folder"
        ) from error
