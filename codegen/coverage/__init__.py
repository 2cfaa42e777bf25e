"""Coverage: which of the declared events and fields are emitted, read and seen."""
