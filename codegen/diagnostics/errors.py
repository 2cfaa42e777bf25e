"""What stops the generator before it has done anything; the command line prints it as one line."""


class CodegenError(Exception):
    """The generator cannot go on; the message says why and what to do."""


class UsageError(CodegenError):
    """The command line asks for something that cannot be done."""


class FormatterError(CodegenError):
    """The formatter at hand is not the pinned one, or it changed what code means."""


class GateError(CodegenError):
    """What was rendered is not what the contract says; the generator has a fault."""


class OutputError(CodegenError):
    """A target rendered files other than those in its table; the generator has a fault."""


class QuotingError(CodegenError, ValueError):
    """Something cannot be printed as what it should be; the generator has a fault."""


class UnprintableError(CodegenError, TypeError):
    """A template tried to print text that no quoting function has seen; the generator has a fault."""


class PathError(CodegenError):
    """A file would be written where generated files do not belong."""
