"""Fill a template in: the business's own words where it has some, else ours. Strict, because a gap must not be sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from channels.templates import sandbox
from channels.templates.plain import gsm7, septets
from channels.templates.sandbox import Refused, compiled, filled, shipped
from channels.templates.variables import Room, Texts, Variables
from crm.template_versions import OwnTemplates

FOLDER = sandbox.FOLDER
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
LONGEST_SUBJECT = 200
LANGUAGES = ("en", "es")
CHANNELS = ("sms", "email")
_SUBJECT = "Subject: "


@dataclass(frozen=True)
class Rendered:
    """A message as it will leave; `subject` for email only.

    `broken`: why the business's own words could not be used, so that these are ours: tell the owner.
    """

    subject: str | None
    body: str
    broken: str | None = None


class TemplateFailed(Exception):
    """A template does not exist, names an unknown variable or makes a text that is too long. Fit for an
    owner."""


def names() -> list[str]:
    """The templates there are, without the channel."""
    return sorted({path.name.split(".")[0] for path in FOLDER.glob("[a-z]*.j2")})


def render(template: str, channel: str, variables: Variables, *, own: OwnTemplates | None = None) -> Rendered:
    """The template of this name for "sms" or "email", in the business's own words where `own` has some in that language.

    Own words that fail for these variables are passed over for ours, and `broken` says why. Raises TemplateFailed when
    ours cannot be used either.
    """
    words = own.get(template, channel, language_of(variables)) if own is not None else None
    broken = None
    if words is not None:
        try:
            return render_body(template, channel, words, variables)
        except TemplateFailed as error:
            broken = str(error)
    file = _file(template, channel, variables.language)
    try:
        source = _shipped(file)
    except Refused as error:
        raise TemplateFailed(f"the template {file} cannot be filled in: {error}") from error
    ours = render_body(template, channel, source, variables, called=file)
    return Rendered(ours.subject, ours.body, broken)


def render_body(
    template: str,
    channel: str,
    source: str,
    variables: Variables,
    *,
    called: str | None = None,
    more: Texts | None = None,
) -> Rendered:
    """These very words filled in, whoever wrote them; `template` and `called` only name them in an error. `more`: names
    besides the variables. Raises TemplateFailed."""
    called = called or f"{template}.{language_of(variables)}.{channel}"

    def fill(room: Room) -> str:
        try:
            return filled(compiled(source), variables.as_texts(room) | (more or {}))
        except Refused as error:
            raise TemplateFailed(f"the template {called} cannot be filled in: {error}") from error

    if channel == "email":
        return _email(template, fill(EMAIL_ROOM))
    for room in TEXT_ROOMS:
        body = " ".join(gsm7(fill(room)).split())
        if body and septets(body) <= TWO_SEGMENTS:
            return Rendered(None, body)
    what = f"is longer than {TWO_SEGMENTS} characters" if body else "is empty"
    raise TemplateFailed(f"the text {template!r} {what}")


def source_of(template: str, channel: str, language: str) -> str:
    """The words that ship. Raises TemplateFailed when there are none."""
    file = _file(template, channel, language)
    try:
        return _shipped(file)
    except Refused as error:
        raise TemplateFailed(f"the template {file}: {error}") from error


def language_of(variables: Variables) -> str:
    """The language a template is taken in: the person's, or English where we do not write it."""
    return variables.language if variables.language in LANGUAGES else "en"


def _email(template: str, text: str) -> Rendered:
    head, _, body = text.partition("\n")
    if not head.startswith(_SUBJECT):
        raise TemplateFailed(f"the email {template!r} must begin with a line Subject: ...")
    subject = " ".join(head.removeprefix(_SUBJECT).split())
    if not subject or len(subject) > LONGEST_SUBJECT:
        raise TemplateFailed(f"the subject of the email {template!r} has {len(subject)} characters")
    if not body.strip():
        raise TemplateFailed(f"the email {template!r} is empty")
    return Rendered(subject, re.sub(r"\n{3,}", "\n\n", body).strip() + "\n")


@lru_cache(maxsize=256)
def _shipped(file: str) -> str:
    return shipped(file)


def _file(template: str, channel: str, language: str) -> str:
    """The file in the person's language (`hello.es.sms.j2`), else the English one, which has no language in its name."""
    own = f"{template}.{language}.{channel}.j2"
    is_code = len(language) == 2 and language.isalpha()
    return own if is_code and (FOLDER / own).is_file() else f"{template}.{channel}.j2"
