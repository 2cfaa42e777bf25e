"""Carries the events of a run log to sinks outside of the training process: TensorBoard, a collector, files."""
