"""How Markdown is written: quoting, cells and tables."""
