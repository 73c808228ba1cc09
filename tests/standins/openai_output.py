"""How a Responses request becomes a neutral view, and a step becomes output items (LLM facts 2.3, 2.5)."""

from __future__ import annotations

import json
import secrets
from typing import Any

from tests.standins.llm_script import Said, Step, View, schemas_of
from tests.standins.openai_responses import items_of


def view_of(body: dict[str, Any]) -> View:
    """The neutral view of a checked body."""
    names = {item["call_id"]: item["name"] for item in items_of(body) if item["type"] == "function_call"}
    said: list[Said] = []
    for item in items_of(body):
        match item["type"]:
            case "function_call":
                said.append(Said("assistant", calls=((item["name"], arguments(item["arguments"])),)))
            case "function_call_output":
                said.append(Said("tool", _text(item["output"]), name=names[item["call_id"]]))
            case "message":
                role = "system" if item["role"] == "developer" else item["role"]
                said.append(Said(role, _text(item["content"])))
    schemas = schemas_of(body.get("tools") or [])
    allow = bool(schemas) and body.get("tool_choice") != "none"
    return View("openai", body["model"], body.get("instructions") or "", schemas, tuple(said), allow, body)


def arguments(text: str) -> dict[str, Any]:
    """Replayed argument text as an object; empty when it is none."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text") or part.get("refusal") or "") for part in content or [])


def output_of(step: Step, view: View, pairs: dict[str, str]) -> list[dict[str, Any]]:
    """Output items of a step, in the recorded order: reasoning, message, calls."""
    status = "incomplete" if step.stop == "length" else "completed"
    output: list[dict[str, Any]] = []
    if step.thinking is not None:
        output.append(
            {
                "id": "rs_" + secrets.token_hex(25),
                "type": "reasoning",
                "summary": [],
                "encrypted_content": "gAAAAAB" + secrets.token_urlsafe(120),
            }
        )
    if step.commentary:
        output.append(_message(step.commentary, "commentary", status, refusal=False))
    if step.text or step.stop == "refusal":
        refused = step.stop == "refusal"
        words = step.text or "I'm sorry, but I can't help with that."
        output.append(_message(words, "final_answer", status, refusal=refused))
    for place, (name, args) in enumerate(step.calls if view.allow_tools else ()):
        text = step.raw_calls.get(name, json.dumps(args, separators=(",", ":")))
        last = place == len(step.calls) - 1
        call = {
            "id": "fc_" + secrets.token_hex(25),
            "type": "function_call",
            "status": status,
            "arguments": cut(text) if step.cut_arguments and last else text,
            "call_id": "call_" + secrets.token_urlsafe(18).replace("-", "x").replace("_", "y"),
            "name": name,
        }
        output.append(call)
    if step.thinking is not None:
        pairs.update({item["id"]: output[0]["id"] for item in output[1:]})
    return output


def cut(text: str) -> str:
    """Argument JSON that broke off."""
    return text[: len(text) // 2] if len(text) > 2 else '{"'


def _message(text: str, phase: str, status: str, *, refusal: bool) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    if refusal:
        part = {"type": "refusal", "refusal": text}
    made = "msg_" + secrets.token_hex(25)
    return {
        "id": made,
        "type": "message",
        "role": "assistant",
        "status": status,
        "phase": phase,
        "content": [part],
    }


def envelope(
    body: dict[str, Any], step: Step, output: list[dict[str, Any]], usage: dict[str, Any], now: int
) -> dict[str, Any]:
    """The response object; `now` is unix seconds."""
    short = {"length": "max_output_tokens", "other": "content_filter"}.get(step.stop or "")
    return {
        "id": "resp_" + secrets.token_hex(25),
        "object": "response",
        "created_at": now,
        "completed_at": now,
        "status": "incomplete" if short else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": short} if short else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "metadata": {},
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort", "medium"), "summary": None},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
    }
