"""Load and measurements, over the wire only."""
