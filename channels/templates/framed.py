"""Words that a model wrote, between those that the law and the carriers want: who writes, free times, how to stop. Code
puts those there, so that no model can leave one out."""

from __future__ import annotations

from channels.templates.render import Rendered, render_body, source_of
from channels.templates.variables import Variables

FRAME = "_personal"


def framed(channel: str, variables: Variables, words: str, subject: str | None, *, offers: bool) -> Rendered:
    """The whole message; `offers`: the sentence with `variables.times`, or the question for a day, follows the words.

    Raises TemplateFailed when it is longer than a text may be.
    """
    source = source_of(FRAME, channel, variables.language)
    more: dict[str, object] = {"words": words, "subject": subject or "", "offers": offers}
    return render_body(FRAME, channel, source, variables, more=more)
