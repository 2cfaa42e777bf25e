"""SQL: quoting, types, and expressions that read lines of a log."""
