"""Fill a template in. Sandboxed, because owners will write their own; strict, because a gap must not be
sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from channels.templates.plain import gsm7, septets
from channels.templates.variables import Room, Variables

FOLDER = Path(__file__).parent
TWO_SEGMENTS = 306
# A text that is too long gives up its foreign words step by step; the name of the shop comes last.
TEXT_ROOMS = (
    Room(60, 40, 60),
    Room(40, 40, 60),
    Room(28, 28, 60),
    Room(20, 24, 44),
    Room(0, 24, 44),
    Room(0, 0, 44),
    Room(0, 0, 44, services=False),
    Room(0, 0, 30, 16, services=False),
)
EMAIL_ROOM = Room(160, 60, 100, 40)

_ENVIRONMENT = SandboxedEnvironment(
    loader=FileSystemLoader(FOLDER),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # Plain text only; whoever makes HTML of it escapes it there.
    autoescape=False,
)


@dataclass(frozen=True)
class Rendered:
    """A message as it will leave; `subject` for email only."""

    subject: str | None
    body: str


class TemplateFailed(Exception):
    """A template does not exist, names an unknown variable or makes a text that is too long. Fit for an
    owner."""


def names() -> list[str]:
    """The templates there are, without the channel."""
    return sorted({path.name.split(".")[0] for path in FOLDER.glob("[a-z]*.j2")})


def render(template: str, channel: str, variables: Variables) -> Rendered:
    """The template of this name for "sms" or "email". Raises TemplateFailed."""
    if channel == "email":
        return _email(template, variables)
    file = _file(template, "sms", variables.language)
    for room in TEXT_ROOMS:
        body = " ".join(gsm7(_fill(file, variables, room)).split())
        if septets(body) <= TWO_SEGMENTS:
            return Rendered(None, body)
    raise TemplateFailed(f"the text {template!r} is longer than {TWO_SEGMENTS} characters")


def _email(template: str, variables: Variables) -> Rendered:
    file = _file(template, "email", variables.language)
    head, _, body = _fill(file, variables, EMAIL_ROOM).partition("\n")
    if not head.startswith("Subject: "):
        raise TemplateFailed(f"the email {template!r} must begin with a line Subject: ...")
    subject = " ".join(head.removeprefix("Subject: ").split())
    return Rendered(subject, re.sub(r"\n{3,}", "\n\n", body).strip() + "\n")


def _file(template: str, channel: str, language: str) -> str:
    """The file in the person's language (`hello.es.sms.j2`), else the English one, which has no language in its name."""
    own = f"{template}.{language}.{channel}.j2"
    is_code = len(language) == 2 and language.isalpha()
    return own if is_code and (FOLDER / own).is_file() else f"{template}.{channel}.j2"


def _fill(file: str, variables: Variables, room: Room) -> str:
    try:
        return _ENVIRONMENT.get_template(file).render(variables.as_texts(room))
    except TemplateError as error:
        raise TemplateFailed(f"the template {file} cannot be filled in: {error}") from error
