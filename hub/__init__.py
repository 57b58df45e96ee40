"""Sockets and HTTP: one process of this package is a node."""
