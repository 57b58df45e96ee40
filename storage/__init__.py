"""Everything that speaks SQL or Redis. No exception of their clients leaves this package."""
