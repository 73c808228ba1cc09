"""The playbook's phrases and word lists: data in YAML files beside this one, read once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml


@functools.cache
def tables(name: str = "phrases") -> dict[str, Any]:
    """One whole file. Raises FileNotFoundError for a name that is none."""
    loaded: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text("utf-8"))
    return loaded


@functools.cache
def word_list(name: str, table: str = "phrases") -> frozenset[str]:
    """One list of words. Raises KeyError for a list that is not in the file."""
    return frozenset(tables(table)[name].split())
