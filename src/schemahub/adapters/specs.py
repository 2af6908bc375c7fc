"""Exchange specs from YAML files: the package's own, and the user's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import yaml

from schemahub.core.errors import ConfigError, SpecError
from schemahub.core.spec import ExchangeSpec
from schemahub.core.spec_reading import build

LARGEST = 64 * 1024
DEEPEST = 32
_MOST_BITS = 1024  # of a number: every float fits
_MOST_TOLD = 100
_DO = "correct these lines; docs/exchange-spec.md describes every field"
_LINE_ENDS = "\n\x85\u2028\u2029"  # as YAML counts lines; \r\n is one by its \n

_Path = tuple[str | int, ...]


BUILT_IN = Path(str(resources.files("schemahub") / "exchanges"))


def installed() -> dict[str, Path]:
    """The spec files that come with the package, by exchange."""
    return _yaml_files(BUILT_IN)


def _yaml_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("[!.]*.yaml"))}


class SpecFiles(Mapping[str, ExchangeSpec]):
    """The package's specs and those in the folder `own`, each read when it is looked up.

    Of a file that is no valid spec, or whose name is taken, the name is known all the same:
    to look it up raises SpecError.
    """

    def __init__(self, own: Path | None = None) -> None:
        """A folder that is not there holds none. Raises ConfigError if it cannot be read."""
        self._ours = installed()
        self._own = {} if own is None else _in(own)
        self._read: dict[str, ExchangeSpec] = {}

    def path(self, exchange: str) -> Path:
        """Its file; of a name that is taken the user's. Raises KeyError."""
        return self._own[exchange] if exchange in self._own else self._ours[exchange]

    def built_in(self, exchange: str) -> bool:
        return exchange not in self._own

    def __getitem__(self, exchange: str) -> ExchangeSpec:
        path = self.path(exchange)
        if exchange not in self._read:
            if exchange in self._own and exchange in self._ours:
                raise SpecError(
                    f"there are two specs of {exchange}",
                    (f"one is {path}", f"the other is built in: {self._ours[exchange]}"),
                    "give yours another name: the file's, and `exchange` in it",
                )
            if path.suffix != ".yaml":
                raise SpecError(
                    f"{path} is not read",
                    ("the name of a spec file ends in .yaml",),
                    f"call it {exchange}.yaml",
                )
            self._read[exchange] = load(path)
        return self._read[exchange]

    def __contains__(self, exchange: object) -> bool:
        return exchange in self._own or exchange in self._ours

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._ours, *self._own}))

    def __len__(self) -> int:
        return len({*self._ours, *self._own})


def _in(own: Path) -> dict[str, Path]:
    """The spec files of a folder, by exchange; with those that only look like one."""
    try:
        files = sorted(own.iterdir())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(
            f"{own} cannot be looked into for exchange specs",
            str(error.strerror),
            "check its rights; `exchanges` in the settings names another folder",
        ) from None
    shown = [path for path in files if not path.name.startswith(".")]
    misnamed = {path.stem: path for path in shown if path.suffix in {".yml", ".YAML", ".YML"}}
    return {**misnamed, **_yaml_files(own)}


def load(path: Path) -> ExchangeSpec:
    """The spec in this file. Raises SpecError with every mistake in it, by line."""
    text = _text(path)
    found = _Tree()
    try:
        node = _document(text)
        data = found.read(node) if node is not None else None
    except yaml.YAMLError as error:
        raise _wrong(path, [_syntax(error, text)]) from error
    mistakes = found.mistakes
    name = data.get("exchange") if isinstance(data, dict) else None
    if isinstance(name, str) and name != path.stem:
        mistakes.append(
            (found.lines.get(("exchange",), 1), f"exchange: {name!r} must be in {name}.yaml")
        )
    spec = None
    try:
        spec = build(data, found.lines, path.name)
    except SpecError as error:
        mistakes.extend(_numbered(mistake) for mistake in error.mistakes)
    if mistakes or spec is None:
        raise _wrong(path, mistakes)
    return spec


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise _wrong(path, [(1, f"the file cannot be read: {error.strerror}")]) from error
    if len(data) > LARGEST:
        raise _wrong(path, [(1, f"the file is larger than {LARGEST // 1024} kB")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong(path, [(line, "this is not UTF-8 text")]) from error


def _document(text: str) -> yaml.Node | None:
    """The file's only document. Raises YAMLError also for what a spec may not use.

    Looked at event by event first: composing goes as deep as the file does, and an alias
    can make a short file a huge one.
    """
    depth = 0
    documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _not_here(event, "a file holds one exchange, so no second --- document")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _not_here(
                event, "anchors (&) and aliases (*) may not be used; put text in quotes"
            )
        if getattr(event, "tag", None) is not None:
            raise _not_here(event, "tags (!) may not be used; put text in quotes")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _not_here(event, f"nested deeper than {DEEPEST} levels")
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return node


def _not_here(event: yaml.Event, why: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=why, problem_mark=event.start_mark)  # type: ignore[arg-type]  # the C loader's mark


@dataclass(slots=True)
class _Tree:
    """Plain data out of YAML nodes, the line of each path in it, and mistakes on the way."""

    lines: dict[_Path, int] = field(default_factory=dict)
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    scalars: yaml.SafeLoader = field(default_factory=lambda: yaml.SafeLoader(""))

    def read(self, node: yaml.Node, path: _Path = ()) -> object:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return {key: self.read(value, (*path, key)) for key, value in self._pairs(node, path)}
        if isinstance(node, yaml.SequenceNode):
            return [self.read(value, (*path, index)) for index, value in enumerate(node.value)]
        return self._scalar(node, path)

    def _pairs(self, node: yaml.MappingNode, path: _Path) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            where = _where(path)
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, str):
                self.mistakes.append((line, f"{where}a field's name must be a word"))
            elif key in seen:
                self.mistakes.append(
                    (line, f"{where}{key} is there twice, first in line {seen[key]}")
                )
            else:
                seen[key] = line
                self.lines[(*path, key)] = line
                yield key, value

    def _scalar(self, node: yaml.Node, path: _Path) -> object:
        try:
            value = self.scalars.construct_object(node)
            if type(value) is int and value.bit_length() > _MOST_BITS:
                raise OverflowError  # noqa: TRY301  (0xfff… is read, and cannot be written)
        except (ValueError, OverflowError):
            # A date like 2024-13-45, a number of more digits than Python reads.
            start = str(node.value)[:40]
            said = f"{_where(path)}{start!r} cannot be read; put text in quotes"
            self.mistakes.append((node.start_mark.line + 1, said))
            return start
        return value


def _where(path: _Path) -> str:
    return ".".join(map(str, path)) + ": " if path else ""


def _syntax(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return (mark.line + 1 if mark else 1), said
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line = sum(before.count(end) for end in _LINE_ENDS) + 1
        return line, f"the character {error.character!r} may not be in YAML"
    return 1, str(error)


def _numbered(mistake: str) -> tuple[int, str]:
    """`line N: message`, as core.spec writes it, in two."""
    number, _, message = mistake.removeprefix("line ").partition(": ")
    return int(number), message


def _wrong(path: Path, mistakes: list[tuple[int, str]]) -> SpecError:
    count = f"{len(mistakes)} mistake{'' if len(mistakes) == 1 else 's'}"
    said = [f"line {line}: {message}" for line, message in sorted(mistakes)[:_MOST_TOLD]]
    if len(mistakes) > _MOST_TOLD:
        last = max(line for line, _ in mistakes)
        said.append(f"line {last}: and {len(mistakes) - _MOST_TOLD} more mistakes")
    return SpecError(f"{path} is not a valid exchange spec: {count}", tuple(said), _DO)


def create(path: Path, text: str) -> bool:
    """Write a new file, with the folders to it; False if there is one of that name.

    Raises ConfigError if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        if path.exists():
            return False
        raise ConfigError(
            f"{path} cannot be written", str(error), "name another folder with --dir"
        ) from None
    return True
