"""stub"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.apimachinery.validation.field import Errors


def validate_rules(schema: Mapping[str, Any], path: str) -> Errors:
    return []
