"""A tenant file, read and applied the way the command does it, without the command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crm.db import Database
from crm.tenant_directory import tenant_ids
from crm.tenant_file.actual import actual_of
from crm.tenant_file.applying import Job, apply_tenant, plan_tenant
from crm.tenant_file.exporting import export_text
from crm.tenant_file.plan import Plan
from crm.tenant_file.reading import read_text
from crm.tenant_file.secrets import resolver
from crm.tenant_file.wanted import wanted_of
from crm.tenant_file.writing_business import Business
from ops.clock import FixedClock
from ops.secrets import SecretBox
from tests.runtimes import KEY

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tenant.yaml"
CADENCES = ("default", "follow_up")
URLS = {"shopmonkey": "https://api.shopmonkey.example"}


class Applier:
    """Applies texts to one database at one moment."""

    def __init__(self, db: Database, clock: FixedClock, environment: Mapping[str, str] | None = None) -> None:
        self.db, self.clock, self.environment = db, clock, environment or {}

    def jobs(self, text: str, folder: Path = EXAMPLE.parent) -> list[Job]:
        """The businesses of a text."""
        files = read_text(text, folder, cadences=CADENCES)
        by = Business("Robin", SecretBox(KEY), URLS)
        resolve = resolver(self.environment, folder)
        return [Job(file, wanted_of(file, resolve), by, self.clock.now()) for file in files]

    def id_of(self, slug: str) -> int | None:
        """The number of a business."""
        with self.db.system() as session:
            return tenant_ids(session, [slug]).get(slug)

    def plan(self, text: str) -> Plan:
        """What the first business of a text would change."""
        job = self.jobs(text)[0]
        return plan_tenant(self.db, job, self.id_of(job.file.part.slug))

    def apply(self, text: str, *, prune: bool = False) -> list[Plan]:
        """Apply all businesses of a text."""
        return [
            apply_tenant(self.db, job, self.id_of(job.file.part.slug), prune=prune) for job in self.jobs(text)
        ]

    def export(self, slug: str) -> str:
        """A business as a file."""
        tenant_id = self.id_of(slug)
        assert tenant_id is not None
        with self.db.tenant(tenant_id) as session:
            return export_text(actual_of(session, tenant_id, self.clock.now().date(), SecretBox(KEY)))
