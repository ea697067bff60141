"""Columns to answers: SQL over parsed logs, and the named questions."""
