"""Tamiyo: decides when to grow, keep or prune."""
