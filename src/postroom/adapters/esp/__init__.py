"""Providers with HTTP APIs, through django-anymail: the one adapter that may import Django (law 14)."""
