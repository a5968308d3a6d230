"""The review room records what people decide: coding, sheets, read-only pages."""
