"""The desk room runs a request from its file to its bundle: order of steps, clock, register."""
