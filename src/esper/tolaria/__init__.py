"""Tolaria: trains networks and governs their training."""
