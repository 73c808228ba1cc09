"""The reply is checked in code before it leaves: every statement of fact must trace to a record."""

from agent.check.clocks import times_in
from agent.check.pairs import names_moment
from agent.check.reply import check_reply
from agent.check.verdict import KINDS, Evidence, Finding, Trace, Verdict

__all__ = ["KINDS", "Evidence", "Finding", "Trace", "Verdict", "check_reply", "names_moment", "times_in"]
