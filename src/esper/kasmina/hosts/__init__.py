"""Hosts: small networks that have slots from the start."""
