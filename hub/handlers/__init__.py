"""What each command does, one module per noun; the socket and REST call the same functions."""
