"""Text in columns, as Go's ``text/tabwriter`` aligns it.

Cells end with a tab; a column is a run of adjacent lines that have a cell there, and is as wide as its widest cell plus
padding. What follows a line's last tab belongs to no column. So a line without tabs ends the columns above it, and two
blocks of a description don't widen each other.
"""

from __future__ import annotations

import unicodedata


def text_width(text: str) -> int:
    """Character cells that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


def align(text: str, *, minimum_width: int = 0, padding: int = 2) -> str:
    """Replace the tabs of a text by as many blanks as its columns need."""
    lines = [line.split("\t") for line in text.split("\n")]
    widths: list[int] = []
    out: list[str] = []

    def write(first: int, end: int) -> None:
        for cells in lines[first:end]:
            padded = [
                cell + " " * (widths[i] - text_width(cell)) if i < len(widths) else cell for i, cell in enumerate(cells)
            ]
            out.append("".join(padded))

    def layout(first: int, end: int) -> None:
        column = len(widths)
        done = line = first
        while line < end:
            if column >= len(lines[line]) - 1:
                line += 1
                continue
            write(done, line)
            done = line
            width = minimum_width
            while line < end and column < len(lines[line]) - 1:
                width = max(width, text_width(lines[line][column]) + padding)
                line += 1
            widths.append(width)
            layout(done, line)
            widths.pop()
            done = line
        write(done, end)

    layout(0, len(lines))
    return "\n".join(out)
