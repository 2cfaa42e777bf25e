"""Commands: what `python -m codegen` can be told to do, one module each."""
