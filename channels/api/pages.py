"""What a visitor sees who posted a plain HTML form: the owner's own page, or one of these, in English or Spanish."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

from flask import Request, Response

from channels.api.problems import Problem

_TEXTS = {
    "en": {
        "thanks": "Thank you",
        "thanks_text": "Your request has arrived. We will be in touch shortly.",
        "sorry": "Something is missing",
        "sorry_text": "Please go back and look at these fields:",
        "later": "Please try again",
        "later_text": "Your request could not be taken at the moment. Please try again in a minute, or call us.",
    },
    "es": {
        "thanks": "Gracias",
        "thanks_text": "Hemos recibido su solicitud. Nos pondremos en contacto en breve.",
        "sorry": "Falta algo",
        "sorry_text": "Vuelva atrás y revise estos campos:",
        "later": "Inténtelo de nuevo",
        "later_text": "No pudimos recibir su solicitud. Inténtelo de nuevo en un minuto o llámenos.",
    },
}  # fmt: skip
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title></head>
<body><main><h1>{title}</h1><p>{text}</p>{more}</main></body></html>
"""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'none'; frame-ancestors *",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def wants_page(request: Request) -> bool:
    """Whether a browser shows the answer to a person; a script of the page asks for JSON."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], default="application/json")
    return best == "text/html"


def language_of(request: Request, said: object) -> str:
    """The page's language: what the form says, else what the browser prefers."""
    if isinstance(said, str) and said.strip().lower().startswith("es"):
        return "es"
    if isinstance(said, str) and said.strip():
        return "en"
    return request.accept_languages.best_match(["en", "es"], default="en") or "en"


def thanks(language: str) -> Response:
    """The request has arrived."""
    return _page(language, "thanks", 200, "")


def sorry(language: str, problem: Problem) -> Response:
    """What is wrong with the fields, or that it has to be tried again; the reasons are the API's own, in English."""
    if problem.kind != "fields":
        return _page(language, "later", problem.status, "")
    lines = "".join(f"<li>{escape(one.field)} {escape(one.detail)}</li>" for one in problem.errors)
    return _page(language, "sorry", problem.status, f"<ul>{lines}</ul>")


def redirect_to(wanted: str | None, hosts: tuple[str, ...]) -> str | None:
    """The address to send the visitor to, if it is an https page on one of the key's own hosts; else None."""
    if not wanted or len(wanted) > 2000 or any(char <= " " or char == "\\" or char > "~" for char in wanted):
        return None
    try:
        parts = urlsplit(wanted)
        port = parts.port
    except ValueError:
        return None
    fits = parts.scheme == "https" and parts.hostname in hosts and port in (None, 443)
    return wanted if fits and parts.username is None and parts.password is None else None


def _page(language: str, name: str, status: int, more: str) -> Response:
    texts = _TEXTS[language]
    body = _PAGE.format(
        language=language, title=escape(texts[name]), text=escape(texts[f"{name}_text"]), more=more
    )
    return Response(body, status, _HEADERS, content_type="text/html; charset=utf-8")
