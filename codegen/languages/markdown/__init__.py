"""Markdown: quoting, and the cells and tables of the reference."""
