"""Kasmina: grows networks: slots, the seeds in them, the blueprints of seeds, and host networks."""
