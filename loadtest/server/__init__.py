"""The server under test: starting it, and what it costs as the kernel counts it."""
