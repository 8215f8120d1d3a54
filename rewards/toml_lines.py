"""Where each key of a TOML document stands: tomllib keeps no line numbers."""

import re

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_KEY = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'", re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}\s#][^,\]}\n#]*")


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1 on, of each table, key and array element of a valid TOML document."""
    return _Scanner(text).lines


def line_of(text: str, path: Path) -> int:
    """The line of this path, or of the nearest table above it that there is."""
    lines = key_lines(text)
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}  # tables seen of each array of tables
        table: Path = ()
        self._skip(_SPACE)
        while self.at < len(text):
            if text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:  # the document is valid: a form that this scanner does not know
            self.at += 1
            return ""
        self.at = found.end()
        return found.group()

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, 1 + self.text.count("\n", 0, self.at))

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_BLANK)
            keys.append(self._skip(_KEY).strip("\"'"))
            self._skip(_BLANK)
            if self.text[self.at : self.at + 1] != ".":
                return keys
            self.at += 1

    def _inside(self, path: Path) -> Path:
        """The path, in the newest table where it names an array of tables."""
        return (*path, self.counts[path] - 1) if path in self.counts else path

    def _header(self) -> Path:
        many = self.text.startswith("[[", self.at)
        start = self.at
        self.at += 2 if many else 1
        keys = self._keys()
        end, self.at = self.at + (2 if many else 1), start
        path: Path = ()
        for key in keys[:-1]:
            path = self._inside((*path, key))
        path = (*path, keys[-1])
        self._note(path)
        if many:
            self.counts[path] = self.counts.get(path, 0) + 1
            path = self._inside(path)
            self._note(path)
        self.at = end
        return path

    def _pair(self, table: Path) -> None:
        start = self.at
        keys = self._keys()
        end, self.at = self.at + 1, start  # past the equals sign
        path = table
        for key in keys:
            path = (*path, key)
            self._note(path)
        self.at = end
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline(path)
        elif opening in ('"', "'"):
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.at < len(self.text):
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == "]":
                self.at += 1
                return
            self._note((*path, index))
            self._value((*path, index))
            index += 1
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == ",":
                self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        while self.at < len(self.text):
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == "}":
                self.at += 1
                return
            self._pair(path)
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == ",":
                self.at += 1
