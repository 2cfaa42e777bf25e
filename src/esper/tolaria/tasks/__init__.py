"""Tasks: real data with the host and the settings that fit it."""
