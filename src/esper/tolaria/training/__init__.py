"""Training a task: the loop, its optimizers, checkpoints, and the network on disk."""
