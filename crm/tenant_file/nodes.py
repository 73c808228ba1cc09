"""YAML with its places: every value knows the path and the line it was written at, also after defaults were laid under it.

Every plain scalar stays the text that was written; the schema decides what it is. YAML would read `+13125550100` and
`02134` as numbers, `14:30` as 870 and `ON` as true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from crm.tenant_file.problems import FileProblems, Problem

_STANDARD, _MERGE = "tag:yaml.org,2002:", "tag:yaml.org,2002:merge"
_TAGS = ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge", "value")
_NULLS = ("", "~", "null", "Null", "NULL")
MOST_NODES, DEEPEST = 2_000_000, 40


@dataclass(frozen=True)
class Origin:
    """Where a value was written."""

    path: str
    line: int


class Map(dict[str, Any]):
    """A mapping of the file; `origins` by key."""

    def __init__(self) -> None:
        super().__init__()
        self.origins: dict[str, Origin] = {}

    def put(self, key: str, value: Any, origin: Origin) -> None:
        """Set one entry and where it stands."""
        self[key], self.origins[key] = value, origin


class Seq(list[Any]):
    """A list of the file; `origins` by place."""

    def __init__(self) -> None:
        super().__init__()
        self.origins: list[Origin] = []


def read_yaml(text: str) -> Map:
    """The mapping in `text`. Raises FileProblems for what is no YAML, doubled keys and aliases that run in circles."""
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "cannot be read"
        raise FileProblems(
            [Problem("", f"this is no YAML: {said}", mark.line + 1 if mark else None)]
        ) from None
    reader = _Reader()
    value = None if root is None else reader.value(root, "", 0)
    if not isinstance(value, Map):
        reader.problems.append(Problem("", "the file has to hold a mapping: slug, name, locations"))
    if reader.problems:
        raise FileProblems(reader.problems)
    assert isinstance(value, Map)
    return value


def origin_at(root: Any, place: tuple[str | int, ...]) -> Origin:
    """Where the value at `place` was written; for a value that is missing, what should have held it."""
    found, here = Origin("", 0), root
    for index, part in enumerate(place):
        if isinstance(here, Map) and str(part) in here:
            found, here = here.origins[str(part)], here[str(part)]
        elif isinstance(here, Seq) and isinstance(part, int) and part < len(here):
            found, here = here.origins[part], here[part]
        else:
            # Pydantic's places hold names of its own behind the real ones; a missing key is named.
            rest = [str(each) for each in place[index:] if str(each).isidentifier()]
            missing = isinstance(here, Map) and rest
            return Origin(joined(found.path, rest[0]), found.line) if missing else found
    return found


def joined(path: str, key: str) -> str:
    """`locations[3]` and `name` as `locations[3].name`."""
    return f"{path}.{key}" if path else key


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._count = 0

    def value(self, node: yaml.Node, path: str, depth: int) -> Any:
        line = node.start_mark.line + 1
        self._count += 1
        if depth > DEEPEST or self._count > MOST_NODES:
            raise FileProblems([Problem(path, "this is nested without end, or too large", line)])
        if str(node.tag).removeprefix(_STANDARD) not in _TAGS:
            self.problems.append(Problem(path, f"the tag {node.tag} is not understood", line))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            found = Seq()
            for index, each in enumerate(node.value):
                place = f"{path}[{index}]"
                found.append(self.value(each, place, depth + 1))
                found.origins.append(Origin(place, each.start_mark.line + 1))
            return found
        plain = isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NULLS
        return None if plain else node.value

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> Map:
        found, own = Map(), set()
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(path, "a key has to be a word", line))
                continue
            if key_node.tag == _MERGE and not key_node.style:
                continue
            key = str(key_node.value)
            place = joined(path, key)
            if key in own:
                self.problems.append(Problem(place, "this key stands here twice", line))
            own.add(key)
            found.put(key, self.value(value_node, place, depth + 1), Origin(place, line))
        for key, value, origin in self._merged(node, path, depth):
            if key not in found:
                found.put(key, value, origin)
        return found

    def _merged(self, node: yaml.MappingNode, path: str, depth: int) -> Iterator[tuple[str, Any, Origin]]:
        """What `<<: *other` brings; the mapping's own keys win."""
        for key_node, value_node in node.value:
            if key_node.tag != _MERGE or key_node.style:
                continue
            several = isinstance(value_node, yaml.SequenceNode)
            for each in value_node.value if several else [value_node]:
                value = self.value(each, path, depth + 1)
                if not isinstance(value, Map):
                    self.problems.append(
                        Problem(path, "<< takes mappings only", key_node.start_mark.line + 1)
                    )
                    continue
                for key in value:
                    yield key, value[key], value.origins[key]
