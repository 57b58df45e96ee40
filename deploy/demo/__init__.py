"""Invented people and the moods they log, for charts and tests. Pure and seeded: the same again from the same seed."""
