"""Tables on the terminal: kubectl's widths, headers and extra columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TextIO

from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.tables import TableDefinition, table_of
from actors.kubectl.tab_writer import text_width

CELL_WIDTH_MIN: Final = 6
CELL_PADDING: Final = 3


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What kubectl's flags say about a table."""

    wide: bool = False
    headers: bool = True
    show_labels: bool = False
    label_columns: tuple[str, ...] = ()
    with_namespace: bool = False
    with_kind: bool = False


def one_line(cell: object) -> str:
    """A cell's text up to its first line break, with dots in place of the rest; empty for none."""
    if cell is None:
        return ""
    text = ("true" if cell else "false") if isinstance(cell, bool) else str(cell)
    for index, character in enumerate(text):
        if character in "\n\r\f":
            return text[:index] + "..."
    return text


@dataclass(slots=True)
class TablePrinter:
    """Prints rows of one resource; remembers widths, so that rows that come later (a watch) line up."""

    out: TextIO
    resource: Resource
    options: TableOptions
    widths: list[int] = field(default_factory=list)
    header_due: bool = True
    definition: TableDefinition = field(init=False)

    def __post_init__(self) -> None:
        self.definition = table_of(self.resource)
        self.header_due = self.options.headers

    def header(self) -> list[str]:
        """Column titles as they are shown."""
        shown = [column.name.upper() for column in self.definition.columns if self._shows(column.priority)]
        if self.options.with_namespace:
            shown.insert(0, "NAMESPACE")
        shown.extend(label.rpartition("/")[2].upper() for label in self.options.label_columns)
        if self.options.show_labels:
            shown.append("LABELS")
        return shown

    def row(self, obj: Object, now_s: float) -> list[str]:
        """An object's cells as they are shown."""
        cells = self.definition.row(obj, now_s)
        columns = self.definition.columns
        shown = [one_line(cells[i]) for i, column in enumerate(columns) if self._shows(column.priority)]
        metadata = obj["metadata"]
        if self.options.with_kind:
            named = next(i for i, column in enumerate(columns) if column.name == "Name" or i == len(columns) - 1)
            if columns[named].name == "Name" and self._shows(columns[named].priority):
                shown[named] = f"{self._kind_prefix()}/{shown[named]}"
        if self.options.with_namespace:
            shown.insert(0, metadata.get("namespace", ""))
        labels = metadata.get("labels") or {}
        shown.extend(labels.get(label) or "" for label in self.options.label_columns)
        if self.options.show_labels:
            shown.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>")
        return shown

    def print(self, objects: Sequence[Object], now_s: float) -> None:
        """Print rows, after the header when it is still due."""
        rows = [self.row(obj, now_s) for obj in objects]
        if self.header_due and rows:
            rows.insert(0, self.header())
            self.header_due = False
        self._print_rows(rows)

    def _shows(self, priority: int) -> bool:
        return priority == 0 or self.options.wide

    def _kind_prefix(self) -> str:
        singular = self.resource.singular
        return f"{singular}.{self.resource.group}" if self.resource.group else singular

    def _print_rows(self, rows: Sequence[Sequence[str]]) -> None:
        for row in rows:
            for index, cell in enumerate(row[:-1]):
                width = max(CELL_WIDTH_MIN, text_width(cell) + CELL_PADDING)
                if index == len(self.widths):
                    self.widths.append(width)
                elif width > self.widths[index]:
                    self.widths[index] = width
        for row in rows:
            padded = [cell + " " * (self.widths[i] - text_width(cell)) for i, cell in enumerate(row[:-1])]
            self.out.write("".join([*padded, row[-1]]) + "\n")
