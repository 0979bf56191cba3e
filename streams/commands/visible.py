"""Foreign text on a terminal: whatever it holds, it is seen and never obeyed."""

__all__ = ["visible", "visible_bytes"]


def visible(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters; what cannot be printed as its escape.

    That covers what moves a cursor, colours, reverses the direction of writing or hides.
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text[: limit + 1]
    )
    return shown if len(shown) <= limit and len(text) <= limit else shown[: limit - 1] + "…"


def visible_bytes(raw: bytes, limit: int) -> str:
    """The beginning of the bytes likewise: as UTF-8, and what is none as \\xNN."""
    # Four bytes are the most that a character has; one more character tells that there is more.
    text = raw[: 4 * (limit + 1)].decode("utf-8", "backslashreplace")
    return visible(text, limit)
