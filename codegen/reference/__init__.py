"""Reference: what the reference of a contract says, cell by cell."""
