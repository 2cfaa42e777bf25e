"""The commands of `esper`, one module each."""
