"""Regular expressions of schemas and rules: in time linear in the text, as RE2's, so that none can hang the server.

They are run by the Rust engine that pydantic's core carries; its syntax is RE2's in all that schemas use (no
look-around, no back-references).
"""

from __future__ import annotations

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator
from pydantic_core import core_schema as cs


class PatternError(ValueError):
    """The pattern is not one; the message says why."""


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> SchemaValidator:
    try:
        return SchemaValidator(cs.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True))
    except SchemaError as error:
        raise PatternError(str(error).splitlines()[-1].strip()) from None


def check_pattern(pattern: str) -> None:
    """Raises `PatternError` unless it is a pattern."""
    _compiled(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text. Raises `PatternError`."""
    return _compiled(pattern).isinstance_python(text)
