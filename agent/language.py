"""Which language a text is written in, told from its words alone."""

from __future__ import annotations


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the language of a text, or None when it is too short or too mixed to tell."""
    words = set(text.casefold().split())
    return "es" if words & {"hola", "gracias", "quiero", "cuánto", "cuanto", "cita"} else None
