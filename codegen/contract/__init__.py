"""The contract: reads YAML, binds it to the form of a contract, and resolves it into a model."""
