"""Timed comparisons with peers; run by make bench."""
