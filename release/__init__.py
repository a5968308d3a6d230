"""The release room numbers, logs, packages and verifies what goes out."""
