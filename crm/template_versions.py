"""A business's own words for templates, kept in versions: the newest of a template, channel and language is used.

A version is never changed or deleted; one without words takes the template back to the one that ships. A saving holds the
business's row, so that numbers rise in the order in which they can be seen, and whoever reads knows from the newest row
alone whether anything has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import TemplateVersion, Tenant
from crm.text import storable

Key = tuple[str, str, str]
"""Name, channel ("sms", "email"), language ("en", "es")."""


class UnchangedTemplate(Exception):
    """The words that are used now are the same already. The message is a sentence for the owner."""


@dataclass(frozen=True)
class OwnTemplates:
    """The words of one business that are used instead of ours, with the numbers of their versions."""

    bodies: Mapping[Key, str] = field(default_factory=dict)
    versions: Mapping[Key, int] = field(default_factory=dict)

    def get(self, name: str, channel: str, language: str) -> str | None:
        """Its own words, or None: the template that ships is used."""
        return self.bodies.get((name, channel, language))


NONE = OwnTemplates()
# By business: what its newest row was when it was read. One entry each, a few kilobytes where there are own words.
_known: dict[int, tuple[tuple[int, str], OwnTemplates]] = {}


def own_templates(s: Session, tenant_id: int) -> OwnTemplates:
    """What a business has written itself. One look at its newest row; all of them are read only when that changed."""
    mark = func.md5(func.concat(TemplateVersion.name, TemplateVersion.created_at, TemplateVersion.body))
    newest = s.execute(
        select(TemplateVersion.id, mark)
        .where(TemplateVersion.tenant_id == tenant_id)
        .order_by(TemplateVersion.id.desc())
        .limit(1)
    ).first()
    if newest is None:
        return NONE
    seen = (int(newest[0]), str(newest[1]))
    known = _known.get(tenant_id)
    if known is not None and known[0] == seen:
        return known[1]
    read = _read(s, tenant_id)
    _known[tenant_id] = (seen, read)
    return read


def template_history(
    s: Session,
    tenant_id: int,
    name: str | None = None,
    channel: str | None = None,
    language: str | None = None,
) -> list[TemplateVersion]:
    """All versions, the newest first; of one template, channel or language where they are given."""
    found = select(TemplateVersion).where(TemplateVersion.tenant_id == tenant_id)
    for column, wanted in (
        (TemplateVersion.name, name),
        (TemplateVersion.channel, channel),
        (TemplateVersion.language, language),
    ):
        if wanted is not None:
            found = found.where(column == wanted)
    return list(s.scalars(found.order_by(TemplateVersion.id.desc())))


def add_template(
    s: Session, tenant_id: int, key: Key, body: str | None, author: str, now: datetime, *, note: str = ""
) -> int:
    """Keep new words, which are used from the commit on; None goes back to the template that ships. Returns the version.

    Raises UnchangedTemplate for the words that are used now.
    """
    s.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
    name, channel, language = key
    newest = next(iter(template_history(s, tenant_id, name, channel, language)), None)
    text = None if body is None else storable(body).strip() + "\n"
    if text == (newest.body if newest is not None else None):
        what = "the template that ships is used already" if text is None else "these words are used already"
        raise UnchangedTemplate(f"{what}; nothing was stored")
    version = newest.version + 1 if newest is not None else 1
    s.add(
        TemplateVersion(
            tenant_id=tenant_id,
            name=name,
            channel=channel,
            language=language,
            version=version,
            body=text,
            author=storable(author),
            note=storable(note),
            created_at=now,
        )
    )
    s.flush()
    return version


def _read(s: Session, tenant_id: int) -> OwnTemplates:
    newest = {(row.name, row.channel, row.language): row for row in reversed(template_history(s, tenant_id))}
    live = {key: row for key, row in newest.items() if row.body is not None}
    return OwnTemplates(
        {key: row.body or "" for key, row in live.items()},
        {key: row.version for key, row in live.items()},
    )
