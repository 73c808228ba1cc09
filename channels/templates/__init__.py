"""The texts and emails of a cadence: defaults as files here, a business's own words in the database, filled in by
`render`."""

from channels.templates.render import (
    CHANNELS,
    LANGUAGES,
    Rendered,
    TemplateFailed,
    language_of,
    names,
    render,
    render_body,
    source_of,
)
from channels.templates.variables import ServiceLine, Shop, Variables
from crm.template_versions import OwnTemplates, own_templates

__all__ = [
    "CHANNELS",
    "LANGUAGES",
    "OwnTemplates",
    "Rendered",
    "ServiceLine",
    "Shop",
    "TemplateFailed",
    "Variables",
    "language_of",
    "names",
    "own_templates",
    "render",
    "render_body",
    "source_of",
]
