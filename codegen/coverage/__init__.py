"""Coverage: which of the declared events and fields the code emits and reads, and which occur in a log."""
