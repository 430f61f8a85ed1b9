"""The bad days of a mailbox: what its server does, and what Postroom must make of it. `table` is the whole on a few screens."""
