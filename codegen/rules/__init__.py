"""Rules: checks of a contract beyond the form of the file, one function each."""
