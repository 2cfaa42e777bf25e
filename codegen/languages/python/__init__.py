"""Python: quoting, the declarations and the codec of a contract, modules and imports."""
