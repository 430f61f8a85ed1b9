"""The tests with the real SpamAssassin are left out where Debian's package is not installed: it is no part of what the laboratory asks for."""

from __future__ import annotations

from tests.laboratory.availability import missing_for_spamassassin

collect_ignore = ["test_real_spamassassin.py"] if missing_for_spamassassin() else []
