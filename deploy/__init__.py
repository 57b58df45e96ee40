"""How HugMood runs: the command line, everything on one machine, embedded servers."""
