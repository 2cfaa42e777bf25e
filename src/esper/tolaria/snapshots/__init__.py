"""Copies of the training state in host memory: taken, verified, kept and restored bit for bit."""
