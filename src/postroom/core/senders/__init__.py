"""Who really sent a mail: what the standards of sender authentication say of it. Asks nobody; says what must be asked."""
