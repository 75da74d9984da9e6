"""The rows of the table, from Go types: each message's fields, their numbers, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from actors.apimachinery.protobuf.table.go_binary import GoField, GoType

#: Where Kubernetes' API types are.
_PACKAGES: Final = (
    "k8s.io/api/",
    "k8s.io/apimachinery/",
    "k8s.io/apiextensions-apiserver/pkg/apis/",
    "k8s.io/kube-aggregator/pkg/apis/",
)
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
#: Messages that stand for one value, and its type in the table.
_VALUES: Final = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "I",
    _META + "Time": "t",
    _META + "MicroTime": "u",
    _META + "Duration": "D",
    _META + "FieldsV1": "j",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "j",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "j",
}
_SCALARS: Final = {"bool": "b", "string": "s", "float32": "f", "float64": "d"}
#: A message that is nothing but a list of strings.
STRINGS: Final = "L"


def full_name(of: GoType) -> str:
    """A struct's name as OpenAPI has it: ``io.k8s.api.core.v1.Pod``."""
    host, _, path = of.package.partition("/")
    return ".".join([*reversed(host.split(".")), *path.split("/"), of.name])


def rows_of(structs: Iterable[GoType]) -> dict[str, list[str]]:
    """Each message's fields as words. Of types that several programs have, the later one's count."""
    rows: dict[str, list[str]] = {}
    for each in structs:
        if not each.package.startswith(_PACKAGES):
            continue
        words = [word for field in each.fields if (word := _word(field))]
        if words or not each.fields:  # some messages are empty: that they are there is what they say
            rows[full_name(each)] = sorted(words, key=lambda word: int(word.partition(":")[0]))
    return rows


def reached(rows: Mapping[str, list[str]], roots: Iterable[str]) -> dict[str, list[str]]:
    """The messages that some lead to."""
    found: dict[str, list[str]] = {}
    waiting = [root for root in roots if root in rows]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = rows[name]
            kinds = [word.rpartition(":")[2].strip(">[]{}") for word in rows[name]]
            waiting += [kind for kind in kinds if kind in rows]
    return found


def lines_of(rows: Mapping[str, list[str]]) -> list[str]:
    """The table's lines: packages, and under each its messages; what is of the same package goes by its short name."""
    lines: list[str] = []
    package = ""
    for name in sorted(rows, key=lambda name: name.rpartition(".")[::2]):
        own, _, short = name.rpartition(".")
        if own != package:
            package = own
            lines.append(f"@{package}")
        lines.append(" ".join([short, *(_shortened(word, package) for word in rows[name])]))
    return lines


def _shortened(word: str, package: str) -> str:
    start, _, kind = word.rpartition(":")
    bare = kind.strip(">[]{}")
    if bare.rpartition(".")[0] == package:
        kind = kind.replace(bare, bare.rpartition(".")[2])
    return start if kind == "s" else f"{start}:{kind}"


def _word(field: GoField) -> str:
    tag = field.tag_value("protobuf").split(",")
    if len(tag) < 2 or not tag[1].isdigit():
        return ""
    options = field.tag_value("json").split(",")
    kind = _type(field.type)
    if kind == STRINGS and "rep" in tag and field.type.element is not None:
        kind = f"[{_type(field.type.element)}]"
    if "inline" in options or (not options[0] and field.type.kind == "struct"):
        return f"{tag[1]}:{field.name}:>{kind}"
    proto_name = next((part[5:] for part in tag if part.startswith("name=")), field.name)
    name = options[0] if options[0] not in ("", "-") else proto_name
    return f"{tag[1]}:{name}{_presence(field, options)}:{kind}"


def _presence(field: GoField, options: list[str]) -> str:
    """``!``: Go's JSON always has the field. ``?``: it has it whenever it is set, at zero too."""
    if field.type.kind == "pointer":
        return "?"
    if "omitzero" in options:
        return ""
    return "!" if "omitempty" not in options or field.type.kind == "struct" else ""


def _type(of: GoType) -> str:
    if of.kind == "pointer" and of.element is not None:
        return _type(of.element)
    if of.kind == "slice" and of.element is not None:
        if of.element.kind == "uint8":
            return "y"
        # A list with a name of its own (ExtraValue) is a message that holds one.
        return STRINGS if of.name else f"[{_type(of.element)}]"
    if of.kind == "map" and of.element is not None:
        return f"{{{_type(of.element)}}}"
    if of.kind == "struct":
        name = full_name(of)
        return _VALUES.get(name, name)
    return _SCALARS.get(of.kind, "i")
