"""The roof: settings, urls and asgi put the house on a street."""
