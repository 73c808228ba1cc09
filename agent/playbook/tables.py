"""The playbook's phrases and word lists: data in phrases.yaml, read once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml


@functools.cache
def tables() -> dict[str, Any]:
    """The whole file."""
    loaded: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("phrases.yaml").read_text("utf-8"))
    return loaded


@functools.cache
def word_list(name: str) -> frozenset[str]:
    """One list of words. Raises KeyError for a list that is not in the file."""
    return frozenset(tables()[name].split())
