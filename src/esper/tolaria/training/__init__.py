"""Training a task: the loop, its settings and optimizers, checkpoints, and the grown network on disk."""
