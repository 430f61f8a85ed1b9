"""First floor: what we remember. The Django app with tables, reads as frozen facts (`queries`), and claims."""
