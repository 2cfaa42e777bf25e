"""Judging losses and gradient norms: plain numbers in, verdict out, no tensors."""
