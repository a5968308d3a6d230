"""The fictional district that the demo, the end-to-end tests and the benchmarks run on."""
