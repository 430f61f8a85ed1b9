"""Conversations: who hears of a message, and how."""
