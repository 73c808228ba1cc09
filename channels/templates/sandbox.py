"""Templates that anybody may have written, compiled only when nothing in them could read, hang or grow.

Jinja's own sandbox keeps a template from Python's insides, and lets it count to a billion. So a template is read first and
refused unless every part of it is on a short list: no calls, no arithmetic, no assignments, loops only over the lists of
the variables and not more than two deep, parts only of ours. What is left cannot run longer than its own length.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateRuntimeError,
    Undefined,
    nodes,
)
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from channels.templates.variables import ServiceLine, Shop

FOLDER = Path(__file__).parent
LONGEST_SOURCE = 6_000
LONGEST_OUTPUT = 20_000
MOST_PARTS = 2_000
DEEPEST_LOOP = 2
LISTS = ("services", "times", "facts")
FILTERS = (
    "capitalize", "count", "d", "default", "first", "join", "last", "length", "lower", "title", "trim", "truncate",
    "upper",
)  # fmt: skip
TESTS = ("defined", "undefined", "none", "odd", "even")
FIELDS = ("name", "address", "phone", "hours", "price", "duration", "description", "not_included")
LOOP_FIELDS = ("index", "index0", "first", "last", "length")
_KEPT = 256

_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Const, nodes.Slice, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.CondExpr, nodes.Concat, nodes.For, nodes.Include, nodes.Name,
    nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Call,
)  # fmt: skip
_WORDS = {
    nodes.Assign: "{% set %}", nodes.AssignBlock: "{% set %}", nodes.Macro: "{% macro %}", nodes.Mul: "*",
    nodes.Pow: "**", nodes.Add: "+ (join words with ~)", nodes.Mod: "%", nodes.Import: "{% import %}",
    nodes.FromImport: "{% import %}", nodes.Extends: "{% extends %}", nodes.Block: "{% block %}",
}  # fmt: skip


class Refused(Exception):
    """A template that is not filled in, and why: a sentence for its author."""


class _Environment(ImmutableSandboxedEnvironment):
    """Attributes are fields of our own records and entries of a mapping; nothing else has any."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of a shop, a service or a loop, else an entry of a mapping; undefined for all others."""
        if isinstance(obj, Shop | ServiceLine) and attribute in FIELDS:
            return getattr(obj, attribute, self.undefined(obj=obj, name=attribute))
        if isinstance(obj, LoopContext) and attribute in LOOP_FIELDS:
            return getattr(obj, attribute)
        if isinstance(obj, Mapping):
            # `items` is only reached where it is called (`_call`).
            return obj.items if attribute == "items" else obj.get(attribute, self._none(obj, attribute))
        return self._none(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item of a list or mapping; never an attribute."""
        try:
            return obj[argument]
        except (KeyError, IndexError, TypeError, ValueError):
            return self._none(obj, str(argument))

    def _none(self, obj: Any, name: str) -> Any:
        return self.undefined(obj=obj, name=name)


def _join(values: Iterable[Any], between: str = "") -> str:
    """At most LONGEST_OUTPUT letters: a text joined with itself again and again would double each time."""
    parts = [str(each) for each in values]
    if sum(map(len, parts)) + len(str(between)) * len(parts) > LONGEST_OUTPUT:
        raise Refused(f"it makes more than {LONGEST_OUTPUT} characters")
    return str(between).join(parts)


def _shown(value: Any) -> Any:
    """What may stand in a message: a word or a number. Nothing at all would be sent as "None", a list as Python's."""
    if isinstance(value, Undefined):
        return str(value)
    if value is None:
        raise TemplateRuntimeError("a variable has no value here; ask for it first: {% if first_name %}...")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TemplateRuntimeError("only words and numbers can be shown, such as service.name or times[0]")
    return value


def _environment() -> _Environment:
    made = _Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        # Plain text only; whoever makes HTML of it escapes it there.
        autoescape=False,
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in FILTERS} | {"join": _join}
    made.tests = {name: made.tests[name] for name in TESTS}
    return made


_ENVIRONMENT = _environment()
_compiled: OrderedDict[str, Template] = OrderedDict()
_lock = threading.Lock()


def parts() -> frozenset[str]:
    """The pieces of ours that a template may include, such as `_open.sms.j2`."""
    return frozenset(path.name for path in FOLDER.glob("_*.j2") if not path.name.startswith("_personal."))


def compiled(source: str) -> Template:
    """A template that may be filled in with `filled`. Raises Refused, naming the line. Kept: filling in is frequent."""
    with _lock:
        known = _compiled.get(source)
    if known is not None:
        return known
    try:
        tree = parsed(source)
        template = _ENVIRONMENT.from_string(tree)
    except TemplateError as error:
        raise Refused(_said(error)) from error
    # What breaks Python's own reader is no template: thousands of brackets, a number of thousands of digits.
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        raise Refused(f"it cannot be read ({type(error).__name__})") from error
    with _lock:
        _compiled[source] = template
        while len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    return template


def shipped(file: str) -> str:
    """The words of a file of ours. Raises Refused when there is none."""
    path = FOLDER / file
    if "/" in file or path.suffix != ".j2" or not path.is_file():
        raise Refused("there is no such template")
    return path.read_text(encoding="utf-8")


def filled(template: Template, values: Mapping[str, object]) -> str:
    """The words, at most LONGEST_OUTPUT characters. Raises Refused, also for a variable that does not exist."""
    pieces, length = [], 0
    try:
        for piece in template.generate(values):
            length += len(piece)
            if length > LONGEST_OUTPUT:
                raise Refused(f"it makes more than {LONGEST_OUTPUT} characters")
            pieces.append(piece)
    except TemplateError as error:
        raise Refused(_said(error)) from error
    # A comparison of a text with a number, a filter on what it does not fit.
    except (
        TypeError,
        ValueError,
        AttributeError,
        KeyError,
        IndexError,
        RecursionError,
        OverflowError,
    ) as error:
        raise Refused(f"a value does not fit where it is used ({error})") from error
    return "".join(pieces)


def parsed(source: str) -> nodes.Template:
    """The tree of a template in which everything is allowed. Raises Refused, TemplateError and what `compiled` names."""
    if len(source) > LONGEST_SOURCE:
        raise Refused(f"it is longer than {LONGEST_SOURCE} characters")
    tree = _ENVIRONMENT.parse(source)
    _look(tree, 0, _Count())
    return tree


class _Count:
    parts = 0


def _look(node: nodes.Node, loops: int, count: _Count) -> None:
    count.parts += 1
    if count.parts > MOST_PARTS:
        raise Refused("it has too many parts")
    if not isinstance(node, _PLAIN):
        what = _WORDS.get(type(node), type(node).__name__.lower())
        raise Refused(f"line {node.lineno}: {what} is not allowed in a template")
    rule = _RULES.get(type(node))
    if rule is not None:
        wrong = rule(node)
        if wrong:
            raise Refused(f"line {node.lineno}: {wrong}")
    if isinstance(node, nodes.For):
        loops += 1
        if loops > DEEPEST_LOOP:
            raise Refused(f"line {node.lineno}: loops are at most {DEEPEST_LOOP} deep")
    # Of the one call there is its rule has seen everything.
    for child in () if isinstance(node, nodes.Call) else node.iter_child_nodes():
        _look(child, loops, count)


def _for(node: Any) -> str | None:
    over = node.iter
    if isinstance(over, nodes.Call):
        over = over.node.node if isinstance(over.node, nodes.Getattr) else over
    if isinstance(over, nodes.Getitem) and isinstance(over.arg, nodes.Slice):
        over = over.node
    if not (isinstance(over, nodes.Name) and over.name in LISTS):
        return f"a loop goes over {', '.join(LISTS)} or facts.items()"
    return "a recursive loop is not allowed" if node.recursive else None


def _include(node: Any) -> str | None:
    name = node.template.value if isinstance(node.template, nodes.Const) else None
    if name in parts():
        return None
    return f"only these may be included: {', '.join(sorted(parts()))}"


def _name(node: Any) -> str | None:
    if node.ctx == "store" and node.name in LISTS:
        return f"{node.name} is a variable already; name the loop's own otherwise"
    if node.name == "self":
        return "there is no self"
    return "a name must not begin with _" if node.name.startswith("_") else None


def _getattr(node: Any) -> str | None:
    if node.attr == "items":
        return "items is for a loop: {% for question, answer in facts.items() %}"
    return "a name must not begin with _" if node.attr.startswith("_") else None


def _getitem(node: Any) -> str | None:
    if isinstance(node.arg, nodes.Slice):
        return None
    return None if isinstance(node.arg, nodes.Const) else "in [ ] stands a number or a word in quotes"


def _filter(node: Any) -> str | None:
    return None if node.name in FILTERS else f"only these filters exist: {', '.join(FILTERS)}"


def _test(node: Any) -> str | None:
    return None if node.name in TESTS else f"only these tests exist: {', '.join(TESTS)}"


def _call(node: Any) -> str | None:
    of = node.node
    fits = isinstance(of, nodes.Getattr) and of.attr == "items" and isinstance(of.node, nodes.Name)
    given = node.args or node.kwargs or node.dyn_args or node.dyn_kwargs
    return (
        None if fits and of.node.name == "facts" and not given else "nothing can be called but facts.items()"
    )


_RULES: dict[type, Any] = {
    nodes.For: _for, nodes.Include: _include, nodes.Name: _name, nodes.Getattr: _getattr, nodes.Getitem: _getitem,
    nodes.Filter: _filter, nodes.Test: _test, nodes.Call: _call,
}  # fmt: skip


def _said(error: TemplateError) -> str:
    line = getattr(error, "lineno", None)
    return f"line {line}: {error.message}" if line else str(error.message or error)
