"""Real servers that tests, measurements and the demonstration start themselves, on this machine alone."""
