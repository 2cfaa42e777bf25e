"""Hosts: small networks with slots in them."""
