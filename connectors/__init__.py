"""The connectors room collects records from every source; one file a source."""
