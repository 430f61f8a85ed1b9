"""The bad days of a server: what it does, and what Postroom must make of it. `table` is the whole on a few screens."""
