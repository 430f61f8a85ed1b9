"""Signed reply and bounce addresses. The key is an argument."""
