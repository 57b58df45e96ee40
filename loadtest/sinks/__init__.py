"""What pushes go to while load is made: servers that take everything, count it, and are quick."""
