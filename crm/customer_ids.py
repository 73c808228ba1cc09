"""Which outside system gave a lead its `external_customer_id`: an id means something only together with who gave it.

Mostly that is where the lead came from. One that wrote to us first is linked to the outside calendar's customer when
their visit is entered there, and one that came in a file gets an id with their first order: that is kept beside it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, or_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.expression import cast

from crm.models import Lead

# Among a lead's facts.
GIVEN_BY = "customer_id_from"
# Where leads come from that carry an id of another system than the CRM's: such an id would book a stranger in.
FOREIGN_IDS = frozenset({"csv", "web_form", "api"})
# Where people come from who carry no id at all: the one they have now is the CRM's.
_WITHOUT_IDS = ("text", "email", "wrote first")


def customer_id_of(lead: Lead | None, connector: str) -> str | None:
    """The CRM's id of the person; None when it gave none. An id that a file or a form brought is another system's."""
    if lead is None:
        return None
    giver = lead.facts.get(GIVEN_BY, lead.source)
    return None if giver in FOREIGN_IDS and giver != connector else lead.external_customer_id


def given_by(connector: str) -> ColumnElement[bool]:
    """Whether this system gave a lead its id."""
    giver = func.coalesce(Lead.facts[GIVEN_BY].astext, Lead.source)
    return or_(giver == connector, giver.in_(_WITHOUT_IDS))


def with_giver(facts: dict[str, Any], giver: str) -> dict[str, Any]:
    """The facts of a lead whose id comes from `giver`."""
    return {**facts, GIVEN_BY: giver}


def facts_with_giver(giver: str) -> ColumnElement[Any]:
    """The same for an update past the ORM."""
    return Lead.facts.op("||")(cast({GIVEN_BY: giver}, JSONB))
