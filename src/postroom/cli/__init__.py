"""The `postroom` command. A face: it asks flows and workers, and says what they answer in plain words or as JSON."""
