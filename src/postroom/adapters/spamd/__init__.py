"""Asks SpamAssassin's spamd what it thinks of a mail."""
