"""The rewards to score play by: those that come with Lucy, and TOML files beside the runs."""

from pathlib import Path

from ...rewards.spec import RewardSpec, RewardSpecError, load_spec, presets
from .errors import DataError

DEFAULT = "lucy-skg"


class Specs:
    """Rewards by name; a name out of an address is looked up and never taken for a path."""

    def __init__(self, folder: Path) -> None:
        """Know the presets, and the .toml files of this folder."""
        self._folder = folder

    def names(self) -> list[str]:
        """All of them, those of Lucy first."""
        return [*presets(), *self._files()]

    def get(self, name: str) -> RewardSpec:
        """The reward of this name.

        Raises:
            DataError: there is none, or its file is not a valid reward.
        """
        if name in presets():
            return load_spec(name)
        files = self._files()
        if name not in files:
            raise DataError(
                f"There is no reward called {name[:80]!r}: choose one of {', '.join(self.names())}."
            )
        try:
            return load_spec(str(files[name]))
        except RewardSpecError as error:
            raise DataError(str(error)) from error

    def _files(self) -> dict[str, Path]:
        if not self._folder.is_dir():
            return {}
        files = sorted(self._folder.glob("*.toml"))
        return {file.name: file for file in files if file.is_file()}  # a pipe is waited for
