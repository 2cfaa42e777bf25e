"""The fault campaign: a plain governed training loop, faults to break it with, and what other rules make of them."""
