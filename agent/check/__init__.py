"""The reply is checked in code before it leaves: every statement of fact must trace to a record."""

from agent.check.facts import check_reply, names_moment, times_in
from agent.check.verdict import Evidence, Finding, Trace, Verdict

__all__ = ["Evidence", "Finding", "Trace", "Verdict", "check_reply", "names_moment", "times_in"]
