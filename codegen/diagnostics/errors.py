"""The exceptions of codegen; the command line prints each as one line."""


class CodegenError(Exception):
    """Base of all exceptions of codegen; the message states the problem and the remedy."""


class UsageError(CodegenError):
    """The command line is not valid, or a file or package that it refers to cannot be used."""


class FormatterError(CodegenError):
    """The installed black is not the pinned version, or it changed the meaning of code."""


class GateError(CodegenError):
    """Generated Python does not match the contract: a bug in the generator."""


class OutputError(CodegenError):
    """A target rendered other files than it declares: a bug in the generator."""


class QuotingError(CodegenError, ValueError):
    """A text cannot be quoted in an output language: a bug in the generator."""


class UnprintableError(CodegenError, TypeError):
    """A template tried to print text that was not quoted: a bug in the generator."""


class PathError(CodegenError):
    """A generated file would be outside its root, or replace a file that codegen did not write."""


class ManifestError(PathError):
    """The list of generated files in a folder is damaged, or another file has its name."""


_DISTRIBUTIONS = {"yaml": "PyYAML"}


def describe_missing(error: ModuleNotFoundError) -> str:
    """Return a sentence about a package that cannot be imported, and how to install it."""
    name = (error.name or "").partition(".")[0]
    return f"the package {name} is missing; run: pip install {_DISTRIBUTIONS.get(name, name)}"
