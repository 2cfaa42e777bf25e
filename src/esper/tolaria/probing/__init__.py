"""Probing: compares the present weights with a snapshot on the same batches, before anything is undone."""
