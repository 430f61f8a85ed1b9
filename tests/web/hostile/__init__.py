"""The laboratory of hostile texts: what strangers might write, and what watches over it."""
