"""History: released contracts, kept as they were, and golden records of their events."""
