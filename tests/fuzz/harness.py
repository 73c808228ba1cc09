"""One post through the real web view with a storage that remembers, and through the real reading of mails."""

from __future__ import annotations

import io
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest import mock

from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr

from channels.email import webhook
from channels.email.files import MOST_BYTES, MOST_FILES, MOST_IN_ALL
from channels.email.form import BadForm
from channels.email.mail import ParsedEmail
from channels.email.parse import parse_email, parse_email_plainly
from crm.routing import Route
from ops.clock import FixedClock
from ops.settings import Settings
from tests.conftest import MONDAY_NINE_IN_CHICAGO
from tests.fuzz.builder import made_up
from tests.fuzz.mutator import mutated
from tests.fuzz.seeds import CONTENT_TYPE, parsed_posts, raw_posts

TOKEN = "fuzz-token"
PATH = f"/hooks/sendgrid/inbound/{TOKEN}"
# Of processor time; a broken mail that takes longer would hold a worker up.
MOST_SECONDS = 5.0


class Broken(AssertionError):
    """A post that was refused, lost, or broke the reading. Says the case's number."""


@dataclass
class Store:
    """Remembers what the web view stored, as (tenant, bytes)."""

    kept: list[tuple[int | None, bytes]] = field(default_factory=list)

    def store_event(self, session: Any, *, tenant_id: int | None, body: bytes, **rest: Any) -> None:
        """As crm.webhooks.store_event; never known already."""
        self.kept.append((tenant_id, body))

    def keep_aside(self, session: Any, post: Any, tenant_id: int | None, ground: str) -> bool:
        """As channels.email.aside.keep_aside, without bounds."""
        self.kept.append((tenant_id, post.raw))
        return True


class _Silence:
    def __getattr__(self, name: str) -> Any:
        return lambda event, **rest: None


class _NoDatabase:
    @contextmanager
    def system(self) -> Iterator[None]:
        yield None

    def tenant(self, tenant_id: int) -> Any:
        return self.system()


@dataclass
class Deps:
    """What the view needs of a runtime."""

    settings: Settings = field(
        default_factory=lambda: Settings(_env_file=None, sendgrid_inbound_token=SecretStr(TOKEN))  # type: ignore[call-arg]
    )
    db: Any = field(default_factory=_NoDatabase)
    queue: Any = field(default_factory=mock.Mock)
    clock: FixedClock = field(default_factory=lambda: FixedClock(MONDAY_NINE_IN_CHICAGO))


@contextmanager
def client_and_store() -> Iterator[tuple[FlaskClient, Store]]:
    """The real view; only the tables behind it are exchanged."""
    store = Store()
    app = Flask("fuzz")
    app.register_blueprint(webhook.make_blueprint(Deps()))
    app.config["MAX_CONTENT_LENGTH"] = 1000
    replaced: dict[str, Any] = {
        "log": _Silence(),
        "store_event": store.store_event,
        "keep_aside": store.keep_aside,
        "route_mailbox": lambda session, box: Route(1, 1) if box == "shop@north.example" else None,
    }
    with mock.patch.multiple(webhook, **replaced):
        yield app.test_client(), store


@dataclass
class Case:
    """One post; `word` and `files` are what has to be found in a correct one."""

    number: int
    body: bytes
    content_type: str
    word: str | None = None
    files: list[bytes] = field(default_factory=list)


_SEEDS = [*raw_posts(), *parsed_posts()]


def case_of(seed: int, number: int) -> Case:
    """The case of this number: nine in ten are broken posts, the tenth is a correct one of an odd shape."""
    random = Random(f"{seed}:{number}")
    if number % 10 == 9:
        made = made_up(random)
        return Case(number, made.body, CONTENT_TYPE, made.word, made.files)
    return Case(number, *mutated(random, _SEEDS))


def run_case(case: Case, client: FlaskClient, store: Store, totals: Counter[str]) -> None:
    """Post it, read it, and look at what came of it. Raises Broken."""
    store.kept.clear()
    headers = {"Content-Type": case.content_type} if case.content_type else {}
    # As a stream: of an empty body the client would make a form of its own.
    stream = io.BytesIO(case.body)
    answer = client.post(PATH, input_stream=stream, content_length=len(case.body), headers=headers)
    totals["posts"] += 1
    totals[f"answered {answer.status_code}"] += 1
    _demand(answer.status_code == 200, case, f"answered {answer.status_code}")
    _demand(
        [body for _, body in store.kept] == [case.body], case, "answered 200, and these bytes are not stored"
    )
    totals["for a mailbox" if store.kept[0][0] is not None else "kept aside"] += 1
    before = time.process_time()
    mail = _read(case, totals)
    spent = time.process_time() - before
    totals["slowest in ms"] = max(totals["slowest in ms"], round(spent * 1000))
    _demand(spent < MOST_SECONDS, case, f"took {spent:.1f} s")
    plain = parse_email_plainly(case.body, case.content_type)
    _check_text(case, plain)
    if mail is not None:
        _check_text(case, mail)
        _check_files(case, mail)
        _check_word(case, mail, plain)


def _read(case: Case, totals: Counter[str]) -> ParsedEmail | None:
    try:
        mail = parse_email(case.body, case.content_type)
    except BadForm:
        totals["no form"] += 1
        _demand(case.word is None, case, "a correct post is no form")
        return None
    except Exception as error:
        raise Broken(f"case {case.number}: {type(error).__name__}: {error}") from error
    totals["machines"] += mail.automatic is not None
    totals["with files"] += bool(mail.files)
    totals["files refused"] += sum(file.refused is not None for file in mail.files)
    return mail


def _check_text(case: Case, mail: ParsedEmail) -> None:
    """Everything can be stored, and nobody who wrote something has written nothing."""
    texts = [
        mail.words.text, mail.words.full, mail.subject, mail.sender, mail.sender_name, mail.message_id, mail.date,
        *mail.references, *mail.recipients, *mail.headers.values(), *mail.headers, *mail.checks.values(),
        *(text for file in mail.files for text in (file.name, file.content_type, file.content_id, file.refused)),
    ]  # fmt: skip
    for text in texts:
        _demand(not text or "\x00" not in text, case, "a NUL in what is stored")
        (text or "").encode()
    _demand(bool(mail.words.text.strip()) or not mail.words.full.strip(), case, "words, and nothing said")


def _check_files(case: Case, mail: ParsedEmail) -> None:
    kept = [file for file in mail.files if file.content is not None]
    _demand(len(kept) <= MOST_FILES, case, "too many files")
    _demand(sum(len(file.content or b"") for file in kept) <= MOST_IN_ALL, case, "too much in all")
    for file in mail.files:
        _demand((file.content is None) == (file.refused is not None), case, "neither kept nor refused")
        _demand(file.size <= MOST_BYTES * 1.1 or file.content is None, case, "too large")
        _demand(
            bool(file.name) and "/" not in file.name and "\\" not in file.name, case, f"name {file.name!r}"
        )
    if case.word is not None:
        found = [file.content for file in mail.files]
        _demand(len(found) == len(case.files), case, f"{len(found)} of {len(case.files)} files")
        for content, wanted in zip(found, case.files, strict=True):
            _demand(content is None or content == wanted, case, "a file is not what was sent")


def _check_word(case: Case, mail: ParsedEmail, plain: ParsedEmail) -> None:
    if case.word is not None:
        _demand(case.word in mail.words.full, case, "the word is lost")
        _demand(case.word in mail.words.text, case, "the word is taken for a quote")
        _demand(
            case.word in plain.words.full or "utf-16" in repr(case.body),
            case,
            "the word is lost, read plainly",
        )


def _demand(holds: bool, case: Case, what: str) -> None:
    if not holds:
        raise Broken(f"case {case.number}: {what}")


def work(seed: int, numbers: range) -> tuple[Counter[str], list[str]]:
    """Run the cases of these numbers; (totals, what broke)."""
    totals: Counter[str] = Counter()
    broken: list[str] = []
    warnings.simplefilter("error")
    with client_and_store() as (client, store):
        for number in numbers:
            try:
                run_case(case_of(seed, number), client, store, totals)
            except Broken as error:
                broken.append(str(error))
    return totals, broken
