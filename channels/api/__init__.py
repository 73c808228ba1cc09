"""Leads told by programs and posted by forms: POST /api/v1/leads."""
