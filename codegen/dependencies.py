"""Explains in one sentence that a library is missing; it imports none itself."""


def explain_missing(error: ModuleNotFoundError) -> str:
    """Return the message for a library that is not installed.

    Raises:
        ModuleNotFoundError: the missing module is one of codegen's own, which is a bug.
    """
    package = (__package__ or "").partition(".")[0]
    if error.name is None or error.name.partition(".")[0] == package:
        raise error
    return (
        f"codegen: the library {error.name} is not installed, and codegen needs it;"
        " run: pip install 'esper[codegen]'"
    )
