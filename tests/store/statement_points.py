"""A hook before and after each statement that the log gives to SQLite: where faults and kills are put."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable

_connect = sqlite3.connect

Hook = Callable[[str, str], None]
#: Statements that only look; nothing can go wrong in between that doesn't go wrong beside them.
_LOOKS = ("SELECT", "PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA quick_check")


def connect_with(hook: Hook) -> Callable[..., sqlite3.Connection]:
    """Stands in for `sqlite3.connect`; the hook is told "before" or "after", and the statement."""

    class Hooked(sqlite3.Connection):
        def _with_hook(self, run, statement, *arguments):
            if statement.startswith(_LOOKS):
                return run(statement, *arguments)
            hook("before", statement)
            result = run(statement, *arguments)
            hook("after", statement)
            return result

        def execute(self, statement, *arguments):
            return self._with_hook(super().execute, statement, *arguments)

        def executemany(self, statement, *arguments):
            return self._with_hook(super().executemany, statement, *arguments)

        def executescript(self, statement):
            return self._with_hook(super().executescript, statement)

    return functools.partial(_connect, factory=Hooked)
