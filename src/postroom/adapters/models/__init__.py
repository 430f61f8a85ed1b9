"""Language models of others, behind their HTTP APIs."""
