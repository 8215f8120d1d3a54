"""`lucy export rlbot`: what it writes, and what an exported folder refuses to be."""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from rlbot import config, flat

from lucy.agent.checkpoint import CheckpointError
from lucy.agent.cli import main
from lucy.agent.errors import LucyError
from lucy.agent.rlbot.export import export_bot
from lucy.agent.rlbot.exported import ExportError, load_bot


def lucy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[str, str]:
    """Run a command: its output and errors, each on one line."""
    monkeypatch.setattr(sys, "argv", ["lucy", *arguments])
    try:
        main()
    except SystemExit as end:
        assert end.code in (0, 1)
    out, err = capsys.readouterr()
    return " ".join(out.split()), " ".join(err.split())


@pytest.mark.parametrize("name", ["Lucy", "Lücy [7] & 🚗"])
def test_rlbot_reads_the_bot(lively_run: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    export_bot(lively_run, folder)
    assert {file.name for file in folder.iterdir()} == {
        *("bot.toml", "bot.py", "loadout.toml", "requirements.txt"),
        *("lucy.json", "policy.safetensors"),
    }
    for team in (0, 1):
        player = config.load_player_config(folder / "bot.toml", team)
        bot = player.variety
        assert isinstance(bot, flat.CustomBot)
        assert bot.name == name
        assert bot.hivemind
        assert Path(bot.root_dir) == folder
        assert bot.run_command.endswith("python bot.py") or sys.executable in bot.run_command
        assert bot.agent_id.startswith(("lucy/lucy-", "lucy/l-cy-7-"))
        assert bot.loadout is not None
        assert bot.loadout.car_id == 23
    details = tomllib.loads((folder / "bot.toml").read_text("utf-8"))["details"]
    assert details["tags"] == ["1v1"]
    assert "lively/step-000000000064, trained in 1v1" in details["description"]
    assert "lucy-skg[rlbot]>=0." in (folder / "requirements.txt").read_text("utf-8")


def test_a_new_export_keeps_the_loadout(
    lively_run: Path, trained_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bot"
    export_bot(lively_run, folder)
    (folder / "loadout.toml").write_text("[blue_loadout]\ncar_id = 22\n", "utf-8")
    export_bot(trained_run, folder, deterministic=True)
    assert "car_id = 22" in (folder / "loadout.toml").read_text("utf-8")
    settings = json.loads((folder / "lucy.json").read_text("utf-8"))
    assert settings["deterministic"] is True
    assert settings["checkpoint"].startswith("tiny/")
    assert load_bot(folder).name == settings["checkpoint"]


def test_the_command(
    lively_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "bot"
    command = ("export", "rlbot", str(lively_run), "-o", str(folder))
    out, err = lucy(monkeypatch, capsys, *command)
    assert err == ""
    assert "Exported lively/step-000000000064" in out
    assert "bot.toml" in out
    assert "pip install" not in out
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    out, _ = lucy(monkeypatch, capsys, *command)
    assert 'pip install "lucy-skg[rlbot]"' in out

    _, err = lucy(monkeypatch, capsys, "export", "rlbot", "nexto", "-o", str(folder))
    assert err.startswith("lucy: nexto: expected")


NAMES = ["my bot", "my.bot", "My Bot", "my-bot", "ünï", "走る", 'it\'s "x"', "a\x7f{b}", "[red]"]


def test_every_name_is_kept_and_has_an_id_of_its_own(lively_run: Path, tmp_path: Path) -> None:
    ids = set()
    for name in NAMES:
        export_bot(lively_run, tmp_path / name)
        settings = tomllib.loads((tmp_path / name / "bot.toml").read_text("utf-8"))["settings"]
        assert settings["name"] == name
        assert re.fullmatch(r"lucy/[a-z0-9-]+", settings["agent_id"])
        ids.add(settings["agent_id"])
    assert len(ids) == len(NAMES)
    assert "lucy/my-bot" in ids


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_a_name_that_is_no_text_becomes_one(lively_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    export_bot(lively_run, folder)
    settings = tomllib.loads((folder / "bot.toml").read_text("utf-8"))["settings"]
    assert settings["name"] == "caf\\udce9"


def test_a_folder_of_something_else_is_left_alone(lively_run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(ExportError, match="holds files, but no exported bot; choose an empty"):
        export_bot(lively_run, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder(lively_run: Path, tmp_path: Path) -> None:
    (tmp_path / "bot").write_text("", "utf-8")
    with pytest.raises(ExportError, match=r"bot: cannot be written \(.*choose another folder"):
        export_bot(lively_run, tmp_path / "bot")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("lucy.json", None, r"lucy.json: no part of a bot .*No such file.*Export the checkpoint"),
        ("lucy.json", "{", r"lucy.json: no part of a bot .*line 1"),
        ("lucy.json", "[]", r"lucy.json: no part of a bot .*it is \[\]"),
        ("lucy.json", {"format_version": 2}, "format_version is 2: Input should be 1"),
        ("lucy.json", {"observation": "lucy-0"}, "observation is 'lucy-0'.*builds 'lucy-1'"),
        ("lucy.json", {"action_table": "joystick"}, "action_table is 'joystick'.*knows .*'kbm'"),
        ("lucy.json", {"surprise": 1}, "surprise is 1: Extra inputs"),
        ("policy.safetensors", None, "policy.safetensors: no part of a bot .*Export"),
        ("policy.safetensors", "garbage", "policy.safetensors: no part of a bot .*Export"),
    ],
)
def test_a_damaged_bot_says_what_is_wrong(
    lively_run: Path, tmp_path: Path, file: str, content: str | dict | None, message: str
) -> None:
    folder = tmp_path / "bot"
    export_bot(lively_run, folder)
    path = folder / file
    if isinstance(content, dict):
        content = json.dumps(json.loads(path.read_text("utf-8")) | content)
    path.unlink()
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(ExportError, match=message):
        load_bot(folder)


def test_weights_of_another_network_are_refused(
    lively_run: Path, trained_run: Path, tmp_path: Path
) -> None:
    export_bot(lively_run, tmp_path / "a")
    export_bot(trained_run, tmp_path / "b")
    shutil.copy(tmp_path / "a" / "policy.safetensors", tmp_path / "b")
    with pytest.raises(CheckpointError, match="expected the tensors of this model"):
        load_bot(tmp_path / "b")


def test_an_unknown_action_table_is_refused(
    lively_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules["lucy.sim.actions"].ACTION_TABLES, "kbm")
    with pytest.raises(LucyError, match="action table 'kbm'"):
        export_bot(lively_run, tmp_path / "bot")
