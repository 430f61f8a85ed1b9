"""What the domain name system says (RFC 1035), for those who ask in the background. Knows no tables."""
