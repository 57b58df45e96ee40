"""Pushes: from what was decided to what a provider answered, one module per provider."""
