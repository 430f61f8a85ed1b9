"""Postroom: an e-mail conversation for every business record.

The house has floors (see ARCHITECTURE.md); imports go down the stairs only:
project > web | api | cli > workers > wiring > flows > store | adapters > core.
"""

__version__ = "0.1.0"
