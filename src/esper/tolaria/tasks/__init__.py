"""Tasks: data with a host and the hyperparameters that fit both."""
