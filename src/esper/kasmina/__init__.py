"""Kasmina: grows it; slots, the seeds in them, blueprints to build seeds from, and host networks."""
