"""Is this request Twilio's? The signature covers our public URL and every parameter (messaging facts 1.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Request
from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator, compare

SIGNATURE = "X-Twilio-Signature"
# Present when the webhook is signed with a SharedKey instead of the Auth Token: key=<id>,algorithm=<name>.
SETTINGS = "X-Twilio-Webhooks-Signature-Settings"


class SignatureCheck:
    """Holds what may sign for one account: its tokens (two during a rotation), and SharedKeys by their id. Without any
    of them nothing is ever accepted."""

    def __init__(
        self, public_base_url: str, tokens: Sequence[str], shared_keys: Mapping[str, str] | None = None
    ) -> None:
        self._base = public_base_url
        self._validators = [RequestValidator(token) for token in tokens if token]
        self._shared = {
            name: RequestValidator(key) for name, key in (shared_keys or {}).items() if name and key
        }

    def is_valid(self, request: Request) -> bool:
        """True when one of our secrets signed exactly this request.

        The URL is built from the configured public address and the raw query: behind a proxy, `request.url` is
        another one, and Flask decodes parts of it.
        """
        signature = request.headers.get(SIGNATURE, "")
        if not signature:
            return False
        query = request.query_string.decode("latin-1")
        url = f"{self._base}{request.path}" + (f"?{query}" if query else "")
        form: Mapping[str, str] = request.form if request.method == "POST" else {}
        settings = request.headers.get(SETTINGS)
        if settings:
            return self._is_shared(settings, url, form, signature)
        return any(_matches(one, url, form, signature, HMAC_SHA1) for one in self._validators)

    def _is_shared(self, settings: str, url: str, form: Mapping[str, str], signature: str) -> bool:
        """Signed with the SharedKey that the header names. Only with SHA-256: the header itself is not signed, so
        nobody may choose a weaker way."""
        named = dict(part.strip().split("=", 1) for part in settings.split(",") if "=" in part)
        key = self._shared.get(named.get("key", "").strip())
        algorithm = named.get("algorithm", "").strip().upper()
        if key is None or algorithm != HMAC_SHA256:
            return False
        return _matches(key, url, form, signature, HMAC_SHA256)


def _matches(
    validator: RequestValidator, url: str, form: Mapping[str, str], signature: str, algorithm: str
) -> bool:
    try:
        # The usual case costs one signature; the SDK's `validate` always makes two, with and without a port.
        if "bodySHA256" not in url and compare(validator.compute_signature(url, form, algorithm), signature):
            return True
        return bool(validator.validate(url, form, signature, algorithm))
    except (TypeError, ValueError, AttributeError):
        # The pinned validator raises on odd input, such as a query naming bodySHA256 with no body.
        return False
