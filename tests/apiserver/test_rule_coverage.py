"""Who holds all of some rules may do all that they allow: otherwise a role could grant what its writer has not."""

from hypothesis import given
from hypothesis import strategies as st

from actors.apimachinery.attributes import Attributes
from actors.apimachinery.meta import key_of
from actors.apiserver.bootstrap_roles import built_in_rbac
from actors.apiserver.rbac import rule_allows
from actors.apiserver.rule_coverage import compacted, described, missing_rules

VERBS, GROUPS, NAMES = ("get", "list"), ("", "apps"), ("a", "b")
RESOURCES = ("pods", "pods/log", "deployments", "deployments/scale")
PATHS = ("/api", "/api/v1", "/metrics")


def some(*values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


resource_rules = st.fixed_dictionaries(
    {
        "verbs": some(*VERBS, "*"),
        "apiGroups": some(*GROUPS, "*"),
        "resources": some(*RESOURCES, "*", "*/log", "*/scale"),
    },
    optional={"resourceNames": some(*NAMES)},
)
url_rules = st.fixed_dictionaries({"verbs": some(*VERBS, "*"), "nonResourceURLs": some(*PATHS, "*", "/api/*", "/m*")})
rules = st.lists(st.one_of(resource_rules, url_rules), max_size=3)

QUESTIONS = [
    *(
        Attributes(verb, group, *[*resource.split("/"), ""][:2], name=name)
        for verb in (*VERBS, "delete")
        for group in (*GROUPS, "batch")
        for resource in (*RESOURCES, "nodes", "nodes/log")
        for name in ("", *NAMES)
    ),
    *(Attributes(verb, path=path) for verb in VERBS for path in (*PATHS, "/api/v2", "/")),
]


def allowed(held):
    return {question for question in QUESTIONS if any(rule_allows(rule, question) for rule in held)}


@given(rules, rules)
def test_what_is_held_is_allowed(owned, wanted):
    missing = missing_rules(owned, wanted)
    if not missing:
        assert allowed(wanted) <= allowed(owned)
    assert allowed([*owned, *missing]) >= allowed(wanted)
    assert missing_rules([*owned, *missing], wanted) == []


@given(rules)
def test_everybody_holds_what_they_hold(held):
    assert missing_rules(held, held) == []
    assert missing_rules([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], held) == [
        part for part in missing_rules([], held) if part.get("nonResourceURLs")
    ]


@given(rules)
def test_put_together_they_are_the_same(held):
    parts = missing_rules([], held)
    assert allowed(compacted(parts)) == allowed(held)
    assert len(described(compacted(parts))) <= len(parts)


def test_built_in_roles_are_what_they_are_called():
    objects = {(obj["kind"], *key_of(obj)): obj for _, obj in built_in_rbac()}
    assert len(objects) == len(built_in_rbac())
    everything = objects["ClusterRole", "", "cluster-admin"]["rules"]
    for obj in objects.values():
        assert missing_rules(everything, obj.get("rules") or []) == []
        reference = obj.get("roleRef")
        if reference:
            namespace = obj["metadata"].get("namespace", "") if reference["kind"] == "Role" else ""
            assert (reference["kind"], namespace, reference["name"]) in objects
