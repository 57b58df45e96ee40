"""People on devices: what the load is made of, and what follows every message."""
