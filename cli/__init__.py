"""The cli door: the daylight command; thin."""
