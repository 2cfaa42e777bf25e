"""Kasmina: grows it; slots, seeds, their blueprints and the hosts that hold them."""
