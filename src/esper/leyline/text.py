"""Text from outside, made fit for a terminal."""

_MAX_LENGTH = 200


def printable(text: str, max_length: int = _MAX_LENGTH) -> str:
    r"""Return one short line that no terminal acts upon.

    Names and reasons come from logs that anybody may have written: line ends, escape sequences and marks that turn
    the direction of writing are shown as `\x1b` and the like.
    """
    shortened = text if len(text) <= max_length else text[: max_length - 3] + "..."
    if shortened.isprintable():
        return shortened
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in shortened
    )
