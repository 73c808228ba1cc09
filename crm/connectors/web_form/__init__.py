"""Leads out of web forms."""

from crm.connectors.web_form.connector import KIND

__all__ = ["KIND"]
