"""The fault campaign: a plain governed training loop, the faults injected into it, and other rules for comparison."""
