"""From YAML to a checked, resolved model of the contract."""
