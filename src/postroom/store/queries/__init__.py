"""Reads: from tables to frozen facts. Each function says how many queries it makes."""
