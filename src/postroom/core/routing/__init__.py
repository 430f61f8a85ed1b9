"""Routing: what a mail that came in means, and for whom. Pure; one ordered table in `deciding`."""
