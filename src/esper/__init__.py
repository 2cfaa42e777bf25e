"""Grow PyTorch networks while they train, under a governor that never loses the run."""
