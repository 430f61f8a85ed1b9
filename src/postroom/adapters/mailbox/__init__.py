"""What IMAP and POP3 have in common: a guarded connection, its troubles, and being woken."""
