"""Act on verdicts: take snapshots, roll back, escalate when rollbacks repeat, stop the run."""
