"""The reward of a run, kept in its directory: a resumed run goes on with it, from any folder.

`reward/<fingerprint>/` holds reward.toml and the user's own modules beside it, so it is a reward
file like any other. A checkpoint says by the fingerprint which reward it was trained with.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..rewards.spec import RewardSpec, RewardSpecError, load_spec, read_text
from ..sim.shell import shell_line
from .checkpoint import write_durably
from .config import ConfigError, TrainConfig

_FILE = "reward.toml"


def fingerprint(spec: RewardSpec) -> str:
    """Stands for a reward's text and modules."""
    digest = hashlib.sha256()
    for name, content in sorted(spec.files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def keep_reward(run: Path, spec: RewardSpec) -> Path:
    """Keep a reward in a run's directory.

    Returns:
        The folder that holds it.

    Raises:
        OSError: it cannot be written.
    """
    folder = run / "reward" / fingerprint(spec)
    if not (folder / _FILE).exists():
        temporary = folder.with_name(f".tmp-{folder.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        for name, content in spec.files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            write_durably(temporary / name, content)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    os.utime(folder)
    return folder


def kept_reward(run: Path, wanted: str | None) -> Path | None:
    """The reward file that a run keeps.

    Args:
        run: its directory.
        wanted: fingerprint; default the one that was last trained with.

    Returns:
        None where there is none, as in runs of an older Lucy.
    """
    folders = [file.parent for file in (run / "reward").glob(f"[!.]*/{_FILE}")]
    if wanted is not None:
        folders = [folder for folder in folders if folder.name == wanted]
    newest = max(folders, key=lambda folder: folder.stat().st_mtime, default=None)
    return None if newest is None else newest / _FILE


def check_kept(reward: Path, original: object) -> None:
    """See that a run can go on with its own copy of the reward.

    Args:
        reward: file of the copy.
        original: the reward that it was made of, as the run's config names it.

    Raises:
        ConfigError: it cannot, as where a module reads a file that lies beside the original.
    """
    try:
        load_spec(str(reward))
    except RewardSpecError as error:
        raise ConfigError(
            f"the run's own copy of its reward cannot be used: {error}. To go on with the "
            f"original, add {_taking(original)}"
        ) from error


def alone_notice(spec: RewardSpec, folder: Path, original: str) -> str | None:
    """What the user should know of a run that begins: that its own copy will not do.

    Args:
        spec: of the reward.
        folder: where the copy is.
        original: what the copy was made of.
    """
    if error := spec.import_error(folder):
        return (
            f"The run's own copy of its reward, {folder}, cannot be used alone: {error}. "
            f"To resume it will take {_taking(original)}."
        )
    return None


def _taking(reward: object) -> str:
    return shell_line("--set", f"environment.reward={reward}")


def original_notice(config: TrainConfig, folder: Path) -> str | None:
    """What the user should know: that the file of the reward is not what the run goes on with.

    Args:
        config: of the run.
        folder: where its own copy is.
    """
    name, spec = config.environment.reward, config.environment.reward_spec
    try:
        now = spec.files_at(read_text(name), Path(name).parent if name.endswith(".toml") else None)
    except (RewardSpecError, OSError):  # it is not here any more, or this is another machine
        return None
    changed = [file for file in now if file in spec.files and now[file] != spec.files[file]]
    if not changed:
        return None
    what = ", ".join(name if file == _FILE else file for file in changed)
    return (
        f"Changed since the run began: {what}. It goes on with its own copy, {folder}; "
        f"{_taking(name)} takes the changed one."
    )


def changes_notice(
    config: TrainConfig,
    versions: Mapping[str, str],
    saved_config: Mapping[str, object],
    saved_versions: Mapping[str, str],
) -> str:
    """What a resumed run does otherwise than the checkpoint that it goes on from, if anything."""
    before, now = _flat(saved_config), _flat(config.model_dump(mode="json"))
    changed = [
        f"{name} was {before[name]!r} and is {value!r}"
        for name, value in now.items()
        if name != "steps" and name in before and before[name] != value
    ]
    saved = saved_versions.get("reward")
    if saved is not None and saved != versions["reward"]:
        changed.append("the reward is another")
    if saved_versions.get("lucy") != versions["lucy"]:
        changed.append(f"Lucy was {saved_versions.get('lucy')} and is {versions['lucy']}")
    return f"Other than before: {'; '.join(changed)}." if changed else ""


def _flat(settings: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in settings.items():
        section = value if isinstance(value, Mapping) else None
        flat |= {name: value} if section is None else {f"{name}.{k}": v for k, v in section.items()}
    return flat
