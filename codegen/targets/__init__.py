"""Targets: the kinds of output, such as Python, SQL and Markdown, one module each."""
