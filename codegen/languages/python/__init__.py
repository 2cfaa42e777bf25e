"""How Python is written: values, types, checks and modules."""
