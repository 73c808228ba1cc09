"""How text of ours is marked inside a conversation, where everything else comes from the customer."""

from __future__ import annotations

RECORDS = "[Shop records, not written by the customer]"
NOTE = "[Note, not from the customer]"
