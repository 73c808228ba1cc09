"""Bad answers with status 200 that a fault puts in the script's place."""

from __future__ import annotations

from tests.standins.faults import Fault
from tests.standins.llm_view import Step, View

TWISTS = frozenset(
    {
        "cut_tool_call",  # the output limit is reached in the middle of a call; tool=name
        "cut_text",  # half a sentence, then the output limit
        "empty",  # a normal stop without content
        "blank",  # whitespace only
        "thinking_only",  # all output went into thinking
        "refusal",
        "unknown_tool",  # a call to a tool that does not exist; tool=name
        "bad_arguments",  # a call whose arguments break the schema; tool=name
        "duplicate_call",  # the same call twice in one answer; tool=name, args={}
    }
)


def twisted(fault: Fault | None, view: View) -> Step | None:
    """The bad answer this fault asks for, or None; the script is not asked then and keeps its place."""
    if fault is None or fault.kind not in TWISTS:
        return None
    tool = fault.opts.get("tool") or next(iter(view.tools), "lookup")
    args = fault.opts.get("args", {})
    match fault.kind:
        case "cut_tool_call":
            return Step(calls=[(tool, args)], stop="length", cut_arguments=True)
        case "cut_text":
            return Step(text="I can offer you Tuesday at", stop="length")
        case "empty":
            return Step()
        case "blank":
            return Step(text=" \n")
        case "thinking_only":
            return Step(thinking="The customer wants an appointment.")
        case "refusal":
            return Step(stop="refusal", text=fault.opts.get("text", ""))
        case "unknown_tool":
            return Step(calls=[(fault.opts.get("tool", "multi_tool_use.parallel").replace(".", "_"), args)])
        case "bad_arguments":
            wrong = fault.opts.get("args", {"no_such_argument": 1})
            return Step(calls=[(tool, wrong)], raw_calls={tool: '{"no_such_argument": '})
    return Step(calls=[(tool, args), (tool, args)])
