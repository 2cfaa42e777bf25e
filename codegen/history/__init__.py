"""History: released contracts, stored unchanged, and golden records of their events."""
