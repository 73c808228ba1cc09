"""Leads out of files."""

from crm.connectors.csv_file.connector import KIND

__all__ = ["KIND"]
