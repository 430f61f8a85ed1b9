"""The laboratory: real mail servers, private and short-lived, for tests.

Every server here is a context manager that runs in a directory of its own under the temporary folder,
listens on loopback ports of its own, reaches nothing outside 127.0.0.1, and leaves nothing behind: no
process, no file, not even when the tests are killed. `pause`, `resume`, `crash` and `start` are for bad days.
"""
