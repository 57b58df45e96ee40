"""What a run has measured, for people: in the terminal, and as a page."""
