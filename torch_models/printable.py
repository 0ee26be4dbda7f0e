"""Names and messages of others, as they may be shown: anywhere, in one line."""


def printable(text: str) -> str:
    r"""``text`` with an escape such as ``\n``, ``\x1b`` or ``\udcff`` for all that does not print.

    The name of a parameter or a file can have any character in it. Raw, a newline in it starts a
    line of its own (a command of GitHub's, say), ESC a command to the terminal, half of a surrogate
    pair cannot be written at all, and some characters turn the order of those around them.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def one_line(text: object) -> str:
    """The same of a message, whose line breaks are only spaces."""
    return printable(" ".join(str(text).split()))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
