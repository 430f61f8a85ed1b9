"""The bench: how fast Postroom is on this machine, and how fast bare servers are in the same run."""
