"""The log sinks that come with Esper, one module each."""
