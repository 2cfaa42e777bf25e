"""Commands: the commands of `python -m codegen`, one module each."""
