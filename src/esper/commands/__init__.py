"""Commands: one file for each thing that `esper` does."""
