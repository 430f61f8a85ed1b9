"""Checks who sent a mail: brings together what the standards ask, the network, and a limit of time."""
