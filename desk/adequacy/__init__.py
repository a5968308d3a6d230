"""The adequacy report: what a search did and found, each figure from rows, for the officer and a court."""
