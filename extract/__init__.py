"""The extract room turns native bytes into text, fields and children; one file a format family."""
