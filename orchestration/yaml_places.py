"""YAML (and so JSON) as plain values that know their lines, with every problem of form found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from madv.errors import Problem, SpecError

Keys = tuple[str | int, ...]
"""Where in the file: ("metadata", "sweep", "base", 0)."""

MAX_NODES = 100_000
"""Aliases of aliases grow exponentially; no sweep file comes near this."""
MAX_DEPTH = 50
TOO_DEEP = "too large or nested too deeply for a sweep file"


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A file's content."""

    file: str
    data: dict[str, Any]
    lines: Mapping[Keys, int]
    """Line of each key and list entry, from 1."""
    problems: tuple[Problem, ...] = ()
    """Of form: keys that occur twice, values that are not what their tag says."""

    def place(self, keys: Keys) -> str:
        """E.g. "sweep.yaml:12: metadata.sweep.base[0]"; of what is missing, the line of the nearest parent."""
        for end in range(len(keys), -1, -1):
            if keys[:end] in self.lines:
                return f"{self.file}:{self.lines[keys[:end]]}: {dotted(keys)}"
        return f"{self.file}: {dotted(keys)}"


def dotted(keys: Keys) -> str:
    """E.g. metadata.sweep.base[0]."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def read_document(path: Path) -> Document:
    """Read a file with the safe loader.

    Raises:
        SpecError: the file cannot be read or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise _error(path, "there is no such file") from None
    except UnicodeDecodeError:
        raise _error(path, "is not a text file in UTF-8") from None
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror or error}") from None
    try:
        loader = _Loader(text, str(path))
        node = loader.get_single_node()
        if node is None:
            raise _error(path, "is empty; a sweep file needs cluster_name and metadata.sweep")
        if not isinstance(node, yaml.MappingNode):
            raise _error(path, "is no mapping; a sweep file needs cluster_name and metadata.sweep")
        walk = _Walk(loader, str(path))
        data: dict[str, Any] = walk.value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        message = ", ".join(part for part in (error.problem, error.context) if part)
        raise _error(place, f"is not YAML: {message}") from None
    except (yaml.YAMLError, OverflowError) as error:
        reason = getattr(error, "reason", "an escape names no character")
        raise _error(path, f"is not YAML: {reason}") from None
    return Document(file=str(path), data=data, lines=walk.lines, problems=tuple(walk.problems))


def _error(place: object, message: str) -> SpecError:
    return SpecError([Problem(place=str(place), message=message)])


class _Loader(yaml.SafeLoader):
    """The safe loader, which would go on into any depth until Python's own limit, and take seconds for it."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self.file, self.depth = file, 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """What the library calls for every node."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise _error(f"{self.file}:{line}", TOO_DEEP)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Walk:
    """Goes through the nodes once and keeps lines and problems."""

    def __init__(self, loader: yaml.SafeLoader, file: str) -> None:
        self.loader = loader
        self.file = file
        self.lines: dict[Keys, int] = {}
        self.problems: list[Problem] = []
        self.nodes = 0
        self.merged: set[int] = set()

    def value(self, node: yaml.Node, keys: Keys) -> Any:
        self.lines.setdefault(keys, node.start_mark.line + 1)
        self.nodes += 1
        if self.nodes > MAX_NODES or len(keys) > MAX_DEPTH:  # of nodes that aliases repeat
            raise _error(f"{self.file}:{node.start_mark.line + 1}", TOO_DEEP)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, keys)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(entry, (*keys, index)) for index, entry in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)
        except (ValueError, LookupError, AttributeError):  # a tag such as !!int, !!bool, !!timestamp on what is none
            self._problem(node, keys, f"{node.value!r} is no valid {node.tag.rpartition(':')[2]}")
            return node.value

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        own: dict[str, int] = {}
        repeated = set()
        for key_node, _ in node.value:
            name, line = self._key(key_node, keys), key_node.start_mark.line + 1
            if name in own and id(node) not in self.merged:
                self._problem(key_node, (*keys, name), f"the key {name!r} is already on line {own[name]}; keep one")
                repeated.add(id(key_node))
            own.setdefault(name, line)
        # "<<: *defaults": merged keys come first and own keys override them. This changes the node, which an alias
        # may show again: what it repeats then is no mistake of the user.
        self.loader.flatten_mapping(node)
        self.merged.add(id(node))
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if id(key_node) in repeated:
                continue
            name = self._key(key_node, keys)
            self.lines[(*keys, name)] = key_node.start_mark.line + 1
            mapping[name] = self.value(value_node, (*keys, name))
        return mapping

    def _key(self, node: yaml.Node, keys: Keys) -> str:
        """A key as typed: YAML 1.1 would turn `on` and `off` into true and false."""
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self._problem(node, keys, "a key must be a plain name")
        return "?"

    def _problem(self, node: yaml.Node, keys: Keys, message: str) -> None:
        place = f"{self.file}:{node.start_mark.line + 1}: {dotted(keys)}"
        problem = Problem(place=place, message=message)
        if problem not in self.problems:
            self.problems.append(problem)
