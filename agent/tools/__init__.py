"""The typed functions a model may call, one file per subject."""

from __future__ import annotations

from agent.tools.base import Toolbox
from agent.tools.calendar import book, cancel, find_times, move, my_appointments
from agent.tools.closing import close_enquiry
from agent.tools.handoff import hand_off
from agent.tools.lead import opt_out, update_lead
from agent.tools.memory import follow_up, remember_fact, set_language
from agent.tools.quote import quote
from agent.tools.services import find_services

__all__ = ["default_toolbox"]


def default_toolbox() -> Toolbox:
    """All tools, in the order the model always sees them."""
    return Toolbox(
        [
            find_services,
            quote,
            find_times,
            book,
            move,
            cancel,
            my_appointments,
            update_lead,
            set_language,
            remember_fact,
            follow_up,
            close_enquiry,
            hand_off,
            opt_out,
        ]
    )
