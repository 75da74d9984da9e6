"""CEL rules of custom resources: Kubernetes' functions, transitions, messages, and what they may cost."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from actors.apimachinery.cel.expression import Budget, CelError, OverBudget, compile_expression
from actors.apimachinery.cel.values import escaped, typed
from actors.apimachinery.custom_resources.rule_validation import validate_rules
from actors.apimachinery.custom_resources.rules import compile_rules, evaluate_rules
from actors.apimachinery.custom_resources.value_validation import NO_OLD

INTEGER, TEXT = {"type": "integer"}, {"type": "string"}
PORT = {"type": "object", "properties": {"name": TEXT, "node-port": INTEGER, "if": INTEGER}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "replicas": INTEGER,
        "max": INTEGER,
        "ratio": {"type": "number"},
        "name": TEXT,
        "names": {"type": "array", "items": TEXT},
        "ports": {"type": "array", "items": PORT},
        "labels": {"type": "object", "additionalProperties": TEXT},
        "cpu": {"x-kubernetes-int-or-string": True},
        "when": {"type": "string", "format": "date-time"},
        "wait": {"type": "string", "format": "duration"},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
VALUE = {
    "replicas": 3,
    "max": 5,
    "ratio": 2,
    "name": "h\u00e9llo",
    "names": ["a", "b"],
    "ports": [{"name": "http", "node-port": 1, "if": 2}],
    "labels": {"k": "v"},
    "cpu": "500m",
    "when": "2020-01-01T00:00:00Z",
    "wait": "1h30m",
}

TRUE = [
    "self.replicas <= self.max && self.ratio == 2.0",
    "self.name.size() == 5 && size(self.names) == 2 && self.labels.size() == 1",
    "self.names.all(n, n.size() == 1) && self.ports.exists_one(p, p.name == 'http')",
    "self.ports[0].node__dash__port == 1 && self.ports[0].__if__ == 2",
    "self.labels['k'] == 'v' && self.labels.k == 'v' && 'k' in self.labels && self.labels.all(key, key == 'k')",
    "has(self.name) && !has(self.any)",
    "self.names.isSorted() && [1, 2].sum() == 3 && [1, 2].min() == 1 && [1, 2].max() == 2",
    "self.names.indexOf('b') == 1 && 'banana'.lastIndexOf('an') == 3 && [2, 1].isSorted() == false",
    "quantity(self.cpu).isLessThan(quantity('1')) && quantity('1000m') == quantity('1')",
    "quantity('1').add(quantity('500m')).compareTo(quantity('1500m')) == 0 && quantity('1').sub(1).sign() == 0",
    "isQuantity('1Gi') && !isQuantity('one') && quantity('2k').asInteger() == 2000",
    "isURL('https://a.b:80/x?q=1') && url('https://a.b:80/x?q=1').getPort() == '80' && !isURL('a b')",
    "url('https://u@a.b:80/x%20y?q=1&q=2').getHostname() == 'a.b' && url('https://a.b/?q=1').getQuery()['q'] == ['1']",
    "self.name.matches('^h.*o$') && !self.name.matches('^x')",
    "'abc123def45'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
    "'a1b2'.findAll('[0-9]', 1) == ['1'] && 'a'.find('b') == ''",
    "'%s-%d %.2f %x'.format([self.name, self.replicas, 1.5, 255]) == 'h\u00e9llo-3 1.50 ff'",
    "isIP('::1') && ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.1.1')",
    "ip('::1').isLoopback() && !ip('::1').isUnspecified() && ip.isCanonical('::1')",
    "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
    "sets.contains(self.names, ['a']) && sets.intersects([1], [1, 2]) && sets.equivalent([1, 1], [1])",
    "!has(self.any) || self.any.whatever > 1",
    "self.when < timestamp('2021-01-01T00:00:00Z') && self.when.getFullYear() == 2020 && self.wait > duration('1h')",
    "!format.dns1123Label().validate('web-1').hasValue() && format.dns1123Label().validate('a_b').hasValue()",
    "self.names.map(n, n + 'x').join(',') == 'ax,bx' && self.names.filter(n, n == 'a').size() == 1",
    "'a,b'.split(',') == self.names && ' x '.trim() == 'x' && 'aXa'.lowerAscii().replace('x', '') == 'aa'",
    "type(self.replicas) == int && int('5') == 5 && string(5) == '5' && double(1) == 1.0",
    "1 / 0 == 1 || true",
    "self.?name.orValue('x') == self.name && !self.?any.hasValue() && self.?any.?x.y.orValue(7) == 7",
    "self.names[?0].orValue('') == 'a' && !self.names[?9].hasValue() && self.labels[?'k'].value() == 'v'",
    "self.ports.all(p, p.?name.orValue('') == 'http') && size(self.?names.orValue([])) == 2",
    "(self.?ports[0].name.orValue('') == 'http') && [self.?name.value()][0] == self.name",
]
REFUSED = {
    "self.nope == 1": "undefined field 'nope'",
    "self.name.first == 1": "type 'string' does not support field selection",
    "self.names.all(n, self.nope)": "undefined field 'nope'",
    "self.ports.all(p, p.nope == 1)": "undefined field 'nope'",
    "self.ports.filter(p, true).all(p, p.nope == 1)": "undefined field 'nope'",
    "frobnicate(1)": "undeclared reference to 'frobnicate'",
    "other == 1": "undeclared reference to 'other'",
    "self.replicas +": "Syntax error",
    "(" * 60 + "true" + ")" * 60: "nest deeper",
}


@pytest.mark.parametrize("source", TRUE)
def test_functions_of_kubernetes(source):
    expression = compile_expression(source, {"self": SCHEMA})
    assert expression.evaluate({"self": typed(VALUE, SCHEMA)}, Budget()) is True


@pytest.mark.parametrize("source", REFUSED)
def test_what_does_not_compile(source):
    with pytest.raises(CelError) as caught:
        compile_expression(source, {"self": SCHEMA})
    assert REFUSED[source] in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("self.max / 0 == 1", "division by zero"),
        ("self.names[7] == 'a'", "index out of bounds: 7"),
        ("self.any.x == 1", "no such key: any"),
        ("quantity(self.name) == quantity('1')", "quantit"),
        ("[].min() == 1", "min called on empty list"),
    ],
)
def test_evaluations_that_fail(source, message):
    with pytest.raises(CelError) as caught:
        compile_expression(source, {"self": SCHEMA}).evaluate({"self": typed(VALUE, SCHEMA)}, Budget())
    assert message in str(caught.value)


def test_names_are_escaped():
    assert [escaped(name) for name in ("namespace", "a-b", "a.b", "x/y", "a__b", "plain")] == [
        "__namespace__",
        "a__dash__b",
        "a__dot__b",
        "x__slash__y",
        "a__underscores__b",
        "plain",
    ]


def test_a_rule_can_not_keep_the_server():
    source = "self.all(a, self.all(b, self.all(c, self.all(d, true))))"
    began = time.monotonic()
    with pytest.raises(OverBudget):
        compile_expression(source, {"self": None}).evaluate({"self": list(range(100))}, Budget())
    patterns = {
        "type": "object",
        "properties": {"x": TEXT},
        "x-kubernetes-validations": [{"rule": r"self.x.matches('(a+)+$')"}],
    }
    assert evaluate_rules(compile_rules(patterns), {"x": "a" * 5000 + "b"})[0].detail.startswith("failed rule")
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    "source",
    [
        "self.list.all(x, self.text.replace('a', self.text).size() > 0)",
        "self.list.all(x, !self.text.contains(x))",
        "self.text.replace('a', self.text).split('').all(x, x != 'b')",
        "self.list.all(x, '%s%s%s'.format([self.text, self.text, self.text]).split('').all(y, y != x))",
        "self.list.map(x, self.list).map(y, y.map(z, y)).all(w, w.all(v, v.all(u, u != 'q')))",
        "self.text.findAll('a').all(x, self.text.findAll('a').all(y, x == y))",
    ],
)
def test_large_values_can_not_keep_the_server(source):
    values = {"self": {"list": ["b"] * 2000, "text": "a" * 20_000}}
    began = time.monotonic()
    with contextlib.suppress(OverBudget, CelError):
        compile_expression(source, {"self": None}).evaluate(values, Budget())
    assert time.monotonic() - began < 2.0


def test_costly_rules_are_refused_with_the_definition():
    nested = {
        "type": "array",
        "items": TEXT,
        "x-kubernetes-validations": [{"rule": "self.all(a, self.all(b, a != b))"}],
    }
    schema = {"type": "object", "properties": {"list": nested}}
    (error,) = validate_rules(schema, "s")
    assert error.field == "s.properties[list].x-kubernetes-validations[0].rule"
    assert error.message.startswith("Forbidden: estimated rule cost exceeds budget by factor of more than 100x")
    nested["maxItems"] = 100
    assert validate_rules(schema, "s") == []


def rules(schema: dict[str, Any], *given: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "x-kubernetes-validations": list(given)}


def judged(schema: dict[str, Any], new: Any, old: Any = NO_OLD) -> list[tuple[str, str]]:
    return [(error.field, error.message) for error in evaluate_rules(compile_rules(schema), new, old)]


def test_messages_reasons_and_field_paths():
    spec = {"type": "object", "properties": {"min": INTEGER, "max": INTEGER}}
    plain = {"type": "object", "properties": {"spec": rules(spec, {"rule": "self.min <= self.max"})}}
    bad = {"spec": {"min": 2, "max": 1}}
    assert judged(plain, {"spec": {"min": 1, "max": 1}}) == []
    assert judged(plain, bad) == [("spec", 'Invalid value: "object": failed rule: self.min <= self.max')]
    said = rules(spec, {"rule": "self.min <= self.max", "message": "min is too large", "fieldPath": ".min"})
    assert judged({"type": "object", "properties": {"spec": said}}, bad) == [
        ("spec.min", 'Invalid value: "object": min is too large')
    ]
    computed = rules(
        spec,
        {
            "rule": "self.min <= self.max",
            "message": "unused",
            "messageExpression": "'%d is more than %d'.format([self.min, self.max])",
            "reason": "FieldValueForbidden",
        },
    )
    assert judged({"type": "object", "properties": {"spec": computed}}, bad) == [
        ("spec", "Forbidden: 2 is more than 1")
    ]
    broken = rules(spec, {"rule": "self.min <= self.max", "message": "fallback", "messageExpression": "string(1 / 0)"})
    assert judged({"type": "object", "properties": {"spec": broken}}, bad)[0][1].endswith("fallback")


def test_single_values_are_shown_and_what_fails_is_said():
    fixed = rules(TEXT, {"rule": "self == oldSelf", "message": "Value is immutable once set"})
    schema = {"type": "object", "properties": {"type": fixed}}
    assert judged(schema, {"type": "b"}, {"type": "a"}) == [("type", 'Invalid value: "b": Value is immutable once set')]
    spec = {"type": "object", "properties": {"diet": {"type": "object", "properties": {"every": TEXT}}}}
    hungry = rules(spec, {"rule": "duration(self.diet.every) >= duration('1h')", "message": "at most hourly"})
    schema = {"type": "object", "properties": {"spec": hungry}}
    assert judged(schema, {"spec": {"diet": {"every": "59m"}}}) == [("spec", 'Invalid value: "object": at most hourly')]
    assert judged(schema, {"spec": {}}) == [
        ("spec", 'Invalid value: "object": no such key: diet evaluating rule: at most hourly')
    ]


def test_transition_rules_need_a_counterpart():
    item = rules({"type": "object", "properties": {"k": TEXT, "v": INTEGER}}, {"rule": "self.v > oldSelf.v"})
    listed = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": item,
    }
    schema = {"type": "object", "properties": {"list": listed, "image": rules(TEXT, {"rule": "self == oldSelf"})}}
    old = {"list": [{"k": "a", "v": 5}, {"k": "b", "v": 1}], "image": "x"}
    assert judged(schema, old) == []
    assert judged(schema, {"list": [{"k": "new", "v": 0}, {"k": "a", "v": 6}]}, old) == []
    assert [
        path for path, _ in judged(schema, {"list": [{"k": "b", "v": 2}, {"k": "a", "v": 4}], "image": "y"}, old)
    ] == [
        "list[1]",
        "image",
    ]


def test_optional_old_self():
    rule = {"rule": "oldSelf.hasValue() ? self >= oldSelf.value() : self == 0", "optionalOldSelf": True}
    schema = {"type": "object", "properties": {"n": rules(INTEGER, rule)}}
    assert judged(schema, {"n": 0}) == []
    assert len(judged(schema, {"n": 1})) == 1
    assert judged(schema, {"n": 2}, {"n": 1}) == []
    assert len(judged(schema, {"n": 1}, {"n": 2})) == 1


def test_what_an_update_leaves_alone_is_not_judged_again():
    schema = {"type": "object", "properties": {"n": rules(INTEGER, {"rule": "self > 10"}), "m": INTEGER}}
    assert judged(schema, {"n": 1, "m": 2}, {"n": 1, "m": 1}) == []
    assert len(judged(schema, {"n": 2, "m": 2}, {"n": 1, "m": 1})) == 1


@pytest.mark.parametrize(
    ("rule", "field", "message"),
    [
        ({"rule": " "}, "rule", "Required value: rule is not specified"),
        ({"rule": "self.x == 1"}, "rule", "compilation failed: ERROR: <input>: undefined field 'x'"),
        ({"rule": "true", "message": "a\nb"}, "message", "must not contain line breaks"),
        ({"rule": "true", "reason": "Because"}, "reason", "Unsupported value"),
        ({"rule": "true", "fieldPath": ".nope"}, "fieldPath", "does not refer to a valid field"),
        ({"rule": "true", "optionalOldSelf": True}, "optionalOldSelf", "oldSelf is not used in rule"),
        ({"rule": "self.kind == 'A' && self.metadata.name != '' && self.metadata.labels != 1"}, "rule", "'labels'"),
    ],
)
def test_rules_are_checked_with_the_definition(rule, field, message):
    schema = rules({"type": "object", "properties": {"n": INTEGER}}, rule)
    (error,) = validate_rules(schema, "s")
    assert error.field == f"s.x-kubernetes-validations[0].{field}"
    assert message in error.message


def test_transitions_in_lists_without_keys_are_refused():
    schema = {
        "type": "object",
        "properties": {"l": {"type": "array", "maxItems": 5, "items": rules(TEXT, {"rule": "self == oldSelf"})}},
    }
    (error,) = validate_rules(schema, "s")
    assert "uncorrelatable portion of the schema within s.properties[l]" in error.message
