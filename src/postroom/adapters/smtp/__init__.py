"""Speaking SMTP to the next server. `pool.SmtpPool` is the door, the other modules are its parts.

replies, capabilities, content, commands, sasl (values, no I/O) < handshake (up to a connection that takes
mail) < transactions (the hot path on one connection) < pool (many connections, one queue).
"""
