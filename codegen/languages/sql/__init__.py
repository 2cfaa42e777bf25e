"""How SQL is written: quoting, types and reading of lines."""
