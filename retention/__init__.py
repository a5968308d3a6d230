"""The retention room applies retention schedules that are kept as data; suggests, never destroys."""
