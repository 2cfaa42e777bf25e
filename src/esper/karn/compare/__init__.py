"""Compare: the differences between runs in configuration, versions, losses, seeds, governor and cost."""
