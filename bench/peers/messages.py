"""What the Python peers share: text messages out of bytes, and their answers."""

ANSWER = "Message reçu\n".encode()
MAX_MESSAGE = 64 * 1024


def take(rest: bytes, data: bytes) -> tuple[list[str], bytes, bool]:
    """The messages in `rest + data`, what is left of the last one, and whether FIN
    was among them. Without data, which is the end, what is left is a message."""
    if data:
        whole, newline, rest = (rest + data).rpartition(b"\n")
        if len(rest) > MAX_MESSAGE:
            raise ValueError("line too long")
        # One decode for all the lines: of one each, the calls would cost more.
        lines = whole.decode().split("\n") if newline else []
    else:
        lines, rest = ([rest.decode()] if rest else []), b""
    for count, line in enumerate(lines, 1):
        # The length first, because nearly no line is that short.
        if len(line) < 8 and line.strip().upper() == "FIN":
            return lines[:count], b"", True
    return lines, rest, not data
