"""The texts and emails of a cadence: defaults as files here, filled in by `render`."""

from channels.templates.render import Rendered, TemplateFailed, names, render
from channels.templates.variables import ServiceLine, Shop, Variables

__all__ = ["Rendered", "ServiceLine", "Shop", "TemplateFailed", "Variables", "names", "render"]
