"""The proxies and certificates that the environment of this process names, looked up once.

`requests` reads the whole environment anew for every request, which takes longer than the request itself.
"""

from __future__ import annotations

import os
from functools import lru_cache
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies


def use_environment(session: requests.Session, url: str) -> None:
    """Have `session`, which only talks to the host of `url`, keep to the environment as it is now: HTTPS_PROXY and its
    kin, NO_PROXY, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE. Passwords of a .netrc are not used. An address that makes no
    sense is left to the request, which refuses it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    session.trust_env = False
    session.proxies = dict(_proxies(f"{parts.scheme}://{parts.netloc}/"))
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    session.verify = bundle or True


@lru_cache(maxsize=1024)
def _proxies(base: str) -> tuple[tuple[str, str], ...]:
    return tuple(get_environ_proxies(base, no_proxy=None).items())
