"""When something that happens again and again happens next."""
