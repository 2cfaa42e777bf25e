"""Copy the training state into host memory, verify the copies, keep some of them and restore them bit for bit."""
