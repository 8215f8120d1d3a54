"""Checkpoints that are whole, but say what this Lucy cannot use: told in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucy.agent import checkpoint
from lucy.agent.checkpoint import CheckpointError
from lucy.agent.opponents import make_bot

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("config"), "checkpoint.json: expected the part 'config'"),
        (lambda d: d.update(files=[]), "checkpoint.json: expected the part 'files'"),
        (lambda d: d["files"].pop("policy.safetensors"), "policy.safetensors: expected 0 bytes"),
        (lambda d: d["config"].clear(), "settings that this Lucy knows, .*KeyError"),
        (lambda d: d["config"]["network"].update(new=1), "settings that this Lucy knows"),
        (lambda d: d["config"]["network"].update(width="x"), "settings that this Lucy knows"),
        (lambda d: d["config"]["environment"].update(observation="new"), "unknown observation"),
        (lambda d: d["versions"].update(action="new"), "settings that this Lucy knows"),
    ],
)
def test_what_a_checkpoint_says_is_checked(
    lively_run: Path, tmp_path: Path, change: Change, message: str
) -> None:
    newest = checkpoint.newest(lively_run / "checkpoints")
    assert newest is not None
    folder = tmp_path / newest.name
    folder.mkdir()
    for file in newest.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    document = json.loads((folder / "checkpoint.json").read_text("utf-8"))
    del document["sha256"]
    change(document)
    (folder / "checkpoint.json").write_bytes(checkpoint._sealed(document))
    with pytest.raises(CheckpointError, match=message) as refused:
        make_bot(str(folder))
    assert "\n" not in str(refused.value)
