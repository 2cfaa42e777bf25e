"""What is done about an alarm: rollback, escalation, lower learning rates, the end of a run."""
