"""Timed comparisons with peers: ``make bench``, ``python -m benchmarks``; see docs/benchmarks.md."""
