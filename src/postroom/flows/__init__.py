"""Second floor: what happens, step by step. One use case a file; each takes `Ports` first and owns its transaction."""
