"""The words of the trade, as types. Imports nothing of ours."""
