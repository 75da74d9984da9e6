"""An object's managers as clients see them: the API server keeps them as one JSON text, which goes out as it is."""

from __future__ import annotations

import orjson

from actors.apimachinery.operation import Object


def spell_out_managers(obj: Object) -> None:
    """Have the object, when it is encoded, show its managedFields as the list that they are."""
    metadata = obj.get("metadata")
    if metadata and isinstance(text := metadata.get("managedFields"), str):
        metadata["managedFields"] = orjson.Fragment(text)
