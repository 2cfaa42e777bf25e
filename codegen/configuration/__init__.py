"""Configuration: the table `[tool.esper-codegen]` in a project's pyproject.toml, and the layouts that it describes."""
