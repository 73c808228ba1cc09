"""Reading a tenant file: text in, businesses out, each checked as far as that goes without a database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from crm.connectors.registry import kind_of
from crm.connectors.settings import ConnectorSettings
from crm.connectors.shopmonkey.rules import LeadRules
from crm.tenant_file import references
from crm.tenant_file.complaints import at, problems_of
from crm.tenant_file.merge import laid_over, twice_named, with_days
from crm.tenant_file.nodes import Map, Origin, Seq, read_yaml
from crm.tenant_file.problems import FileProblems, Problem
from crm.tenant_file.references import OwnCadences, no_cadences
from crm.tenant_file.schema import TenantPart
from crm.tenants import TenantSettings

BIGGEST = 20_000_000
_OF_FILE = ("tenants", "defaults")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class TenantFile:
    """One business of a file. `tree` is what was written, with defaults, to say where something stands. `policy`: the
    words of the policy, None for what ships or when the file names none."""

    part: TenantPart
    tree: Map
    settings: TenantSettings = field(default_factory=TenantSettings)
    crm_settings: ConnectorSettings = field(default_factory=ConnectorSettings)
    lead_rules: LeadRules = field(default_factory=LeadRules)
    policy: str | None = None

    def problem(self, message: str, *place: str | int) -> Problem:
        """A problem with what is written at `place`."""
        return at(self.tree, place, message)


def read_file(
    path: Path, *, cadences: Collection[str], own_cadences: OwnCadences = no_cadences
) -> list[TenantFile]:
    """The businesses of a file. `cadences`: names of plans there are for all, `own_cadences` those of the business with a
    slug. Raises FileProblems, and OSError."""
    if path.stat().st_size > BIGGEST:
        raise FileProblems([Problem("", f"the file is larger than {BIGGEST // 1_000_000} MB")])
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise FileProblems([Problem("", "the file is not UTF-8")]) from None
    return read_text(text, path.parent, cadences=cadences, own_cadences=own_cadences)


def read_text(
    text: str, folder: Path, *, cadences: Collection[str], own_cadences: OwnCadences = no_cadences
) -> list[TenantFile]:
    """The same of a text; `policy: {file: ...}` is looked for from `folder`. Raises FileProblems."""
    trees, problems = _trees(read_yaml(text))
    files = []
    for tree in trees:
        try:
            part = TenantPart.model_validate(tree)
        except ValidationError as error:
            problems += problems_of(error, tree, TenantPart)
            continue
        files.append(_typed(TenantFile(part, tree), folder, problems))
    for each in files:
        problems += references.within(each.part, each.tree, cadences, own_cadences)
    problems += references.across([(each.part, each.tree) for each in files])
    if problems:
        # One mistake in common defaults is told once, however many businesses have it.
        raise FileProblems(list(dict.fromkeys(problems)))
    return files


def _trees(root: Map) -> tuple[list[Map], list[Problem]]:
    """The businesses as they are written, defaults laid under each location."""
    problems = [
        Problem(one.path, "this names a day that another line names already", one.line)
        for one in twice_named(root)
    ]
    if "tenants" not in root:
        return [_with_defaults(root, None)], problems
    problems += [
        Problem(root.origins[key].path, "beside `tenants` only `defaults` may stand", root.origins[key].line)
        for key in root
        if key not in _OF_FILE
    ]
    several = root["tenants"]
    if not isinstance(several, Seq) or not several:
        return [], [*problems, Problem("tenants", "has to be a list, each line with a - in front")]
    trees = []
    for place, each in enumerate(several):
        if isinstance(each, Map):
            tree = _with_defaults(each, root.get("defaults"))
            trees.append(tree)
        else:
            origin = several.origins[place]
            problems.append(Problem(origin.path, "has to be a mapping: slug, name, locations", origin.line))
    return trees, problems


def _with_defaults(tenant: Map, common: Any) -> Map:
    own = tenant.get("defaults")
    under = with_days(laid_over(with_days(common), with_days(own)) if common and own else own or common)
    found = Map()
    for key, value in tenant.items():
        if key != "defaults" or not isinstance(value, Map):
            found.put(key, value, tenant.origins[key])
    if isinstance(found.get("locations"), Seq):
        places = Seq()
        for value, origin in zip(found["locations"], found["locations"].origins, strict=True):
            places.append(laid_over(under, with_days(value)) if isinstance(under, Map) else with_days(value))
            places.origins.append(Origin(origin.path, origin.line))
        found["locations"] = places
    return found


def _typed(file: TenantFile, folder: Path, problems: list[Problem]) -> TenantFile:
    """Adds what other models than the file's own read."""
    part, tree = file.part, file.tree

    def read(model: type[Model], written: Any, *place: str | int) -> Model:
        try:
            return model.model_validate(written)
        except ValidationError as error:
            problems.extend(problems_of(error, tree, model, place))
            return model()

    settings = read(TenantSettings, part.settings, "settings")
    crm_settings, rules = ConnectorSettings(), LeadRules()
    if part.crm is not None:
        kind = kind_of(part.crm.connector)
        crm_settings = read(kind.settings, part.crm.settings, "crm", "settings")
        rules = read(LeadRules, part.crm.lead_rules, "crm", "lead_rules")
    return TenantFile(part, tree, settings, crm_settings, rules, _policy(file, folder, problems))


def _policy(file: TenantFile, folder: Path, problems: list[Problem]) -> str | None:
    written = file.part.policy
    if written is None or written.ships:
        return None
    if written.text is not None:
        return written.text
    try:
        text = (folder / str(written.file)).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(file.problem(f"{written.file} cannot be read: {_why(error)}", "policy", "file"))
        return None
    if not text.strip():
        problems.append(file.problem(f"{written.file} is empty", "policy", "file"))
    return text


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "no such file" if isinstance(error, OSError) else "it is not UTF-8"
