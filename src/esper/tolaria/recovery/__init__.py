"""Acting on verdicts: snapshots, rollbacks, escalation when rollbacks repeat, the end of the run."""
