"""The annotation in which ``apply`` remembers what it was given, so that the next one knows what was taken out."""

from __future__ import annotations

import json
from typing import Final

from actors.apimachinery.operation import Object
from actors.kubectl.object_printer import to_json

ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"


def with_last_applied(obj: Object) -> Object:
    """The object with itself, as given, in the annotation."""
    metadata = dict(obj.get("metadata") or {})
    annotations = {name: value for name, value in (metadata.get("annotations") or {}).items() if name != ANNOTATION}
    metadata["annotations"] = annotations
    text = to_json({**obj, "metadata": metadata}, indent=None) + "\n"
    return {**obj, "metadata": {**metadata, "annotations": {**annotations, ANNOTATION: text}}}


def last_applied(obj: Object) -> Object | None:
    """What was applied last; None when nothing was, or when the annotation can't be read."""
    text = (obj["metadata"].get("annotations") or {}).get(ANNOTATION)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
