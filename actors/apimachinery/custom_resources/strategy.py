"""What happens to a custom object between decoding and storing (``customResourceStrategy`` of Kubernetes).

Called by `actors.apimachinery.strategy` and its neighbours, which treat what is built in.
"""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.custom_resources.definition import CustomVersion
from actors.apimachinery.custom_resources.value_validation import validate_value
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.field import Errors

_NOT_COUNTED: Final = frozenset({"metadata"})
_NOT_COUNTED_WITH_STATUS: Final = frozenset({"metadata", "status"})


def generation_grows(custom: CustomVersion, new: Object, old: Object) -> bool:
    """Whether a change counts: anything but metadata, and but the status where that is a subresource."""
    ignored = _NOT_COUNTED_WITH_STATUS if custom.has_status else _NOT_COUNTED
    return _without(new, ignored) != _without(old, ignored)


def _without(obj: Object, names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in obj.items() if name not in names}


def keep_all_but_status(new: Object, old: Object) -> None:
    """An update of the status changes that and managedFields, nothing else (not even labels, unlike built-in kinds)."""
    status, sent = new.get("status"), new["metadata"]
    new.clear()
    new.update({name: value for name, value in old.items() if name != "status"})
    if status is not None:
        new["status"] = status
    new["metadata"] = dict(old["metadata"])
    for name in ("managedFields", "resourceVersion", "uid"):
        if name in sent:
            new["metadata"][name] = sent[name]


def validate_custom(custom: CustomVersion, obj: Object) -> Errors:
    """Everything that the schema finds wrong with a new object."""
    return validate_value(obj, custom.schema, "")


def validate_custom_update(custom: CustomVersion, new: Object, old: Object) -> Errors:
    """Everything that the schema finds wrong with what an update changes."""
    return validate_value(new, custom.schema, "", old)
