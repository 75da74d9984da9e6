"""What happens to a custom object between decoding and storing (``customResourceStrategy`` of Kubernetes).

Called by `actors.apimachinery.strategy` and its neighbours, which treat what is built in.
"""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.cel.expression import CelError, CelMissing
from actors.apimachinery.custom_resources.definition import CustomVersion
from actors.apimachinery.custom_resources.rules import RuleNode, compile_rules, evaluate_rules
from actors.apimachinery.custom_resources.value_validation import NO_OLD, validate_value
from actors.apimachinery.operation import Object
from actors.apimachinery.status import FieldError
from actors.apimachinery.validation.field import Errors


def generation_grows(new: Object, old: Object) -> bool:
    """Whether a plain update counts: for anything but metadata. (A status that is a subresource can't differ then.)"""
    return {**new, "metadata": None} != {**old, "metadata": None}


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


#: After errors of these kinds a rule might read what isn't there, so none is evaluated.
_BLOCKING: Final = frozenset({"FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"})
_NOT_CHECKED: Final = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def validate_custom(custom: CustomVersion, obj: Object, old: Any = NO_OLD) -> Errors:
    """Everything that the schema and its rules find wrong with a new object, or with what an update changes."""
    errors = validate_value(obj, custom.schema, "", old)
    try:
        rules = _rules_of(custom)
    except (CelError, CelMissing) as error:  # another server, which had the library, let the definition in
        return [*errors, FieldError("InternalError", "<nil>", str(error))]
    if rules is None:
        return errors
    if any(error.reason in _BLOCKING for error in errors):
        return [*errors, FieldError("FieldValueInvalid", "<nil>", _NOT_CHECKED, "null")]
    return errors + evaluate_rules(rules, obj, old)


def _rules_of(custom: CustomVersion) -> RuleNode | None:
    if custom.compiled_rules is None:
        custom.compiled_rules = (compile_rules(custom.schema),)
    found: RuleNode | None = custom.compiled_rules[0]
    return found
