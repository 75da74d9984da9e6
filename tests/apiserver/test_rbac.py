"""Who may do what: roles, bindings, nodes, and the identities of the actors."""

import pytest
from api_cluster import config_map

from actors.apimachinery.operation import Operation
from actors.apimachinery.status import ApiError
from actors.apimachinery.stream import Stream
from actors.apimachinery.user import User, node_user, service_account_user
from actors.client.client import Client
from actors.client.informer import Informer

RBAC = "rbac.authorization.k8s.io"
JANE = User("jane", ("devs", "system:authenticated"))


def role(kind, name, *rules, namespace="", **more):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": list(rules), **more}


def rule(verbs, resources, groups="", names=None):
    made = {"verbs": verbs.split(","), "resources": resources.split(","), "apiGroups": groups.split(",")}
    return {**made, **({"resourceNames": names.split(",")} if names else {})}


def binding(kind, name, role_kind, role_name, *subjects, namespace=""):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role_name},
        "subjects": list(subjects),
    }


def user(name):
    return {"kind": "User", "name": name, "apiGroup": RBAC}


class Rights:
    """Grants as the administrator and asks as others."""

    def __init__(self, cluster):
        self.cluster = cluster

    def cluster_role(self, name, *rules, **more):
        return self.cluster.create(f"{RBAC}/v1/clusterroles", role("ClusterRole", name, *rules, **more))

    def role(self, name, *rules):
        return self.cluster.create(f"{RBAC}/v1/roles", role("Role", name, *rules, namespace="default"), "default")

    def bind_cluster(self, role_name, *subjects):
        made = binding("ClusterRoleBinding", role_name, "ClusterRole", role_name, *subjects)
        return self.cluster.create(f"{RBAC}/v1/clusterrolebindings", made)

    def bind(self, role_kind, role_name, *subjects, name=""):
        made = binding("RoleBinding", name or role_name, role_kind, role_name, *subjects, namespace="default")
        self.cluster.create(f"{RBAC}/v1/rolebindings", made, "default")

    def ask(self, who, *args, **kwargs):
        self.cluster.settle()
        client = Client(self.cluster.ctx, user=who)
        (result,) = self.cluster.run(client.batch([Operation(*args, **kwargs)]))
        return result

    def may(self, who, *args, **kwargs):
        result = self.ask(who, *args, **kwargs)
        assert result.code < 500
        return result.code != 403


@pytest.fixture
def rights(cluster):
    return Rights(cluster)


def test_nobody_may_anything_without_a_rule(rights):
    result = rights.ask(JANE, "list", "v1/pods", "default")
    assert result.code == 403
    assert result.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace '
        '"default"',
        "reason": "Forbidden",
        "details": {"kind": "pods"},
        "code": 403,
    }


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (
            ("get", "v1/nodes", "", "n1"),
            'nodes "n1" is forbidden: User "jane" cannot get resource "nodes" in API group "" at the cluster scope',
        ),
        (
            ("get", "v1/namespaces", "", "default"),
            'namespaces "default" is forbidden: User "jane" cannot get resource "namespaces" in API group "" in the '
            'namespace "default"',
        ),
        (
            ("update", "apps/v1/deployments", "default", "web", "scale", {}),
            'deployments.apps "web" is forbidden: User "jane" cannot update resource "deployments/scale" in API group '
            '"apps" in the namespace "default"',
        ),
        (
            ("create", "v1/pods", "default", "web", "", {}),
            'pods is forbidden: User "jane" cannot create resource "pods" in API group "" in the namespace "default"',
        ),
        (
            ("list", "example.com/v1/widgets", "default"),
            'widgets.example.com is forbidden: User "jane" cannot list resource "widgets" in API group "example.com" '
            'in the namespace "default"',
        ),
    ],
)
def test_refusals_read_as_kubernetes(rights, operation, message):
    assert rights.ask(JANE, *operation).status["message"] == message


def test_a_role_binding_reaches_its_namespace_only(rights):
    rights.cluster_role("reader", rule("get,list", "pods"))
    rights.bind("ClusterRole", "reader", user("jane"))
    assert rights.may(JANE, "list", "v1/pods", "default")
    assert not rights.may(JANE, "list", "v1/pods", "kube-system")
    assert not rights.may(JANE, "list", "v1/pods")
    assert not rights.may(User("joe", ("devs",)), "list", "v1/pods", "default")


def test_a_cluster_role_binding_reaches_everywhere_and_groups_count(rights):
    rights.cluster_role("reader", rule("list", "pods"))
    rights.bind_cluster("reader", {"kind": "Group", "name": "devs", "apiGroup": RBAC})
    assert rights.may(JANE, "list", "v1/pods")
    assert rights.may(JANE, "list", "v1/pods", "kube-system")
    assert not rights.may(JANE, "delete", "v1/pods", "default", "p")


def test_service_accounts_are_subjects(rights):
    rights.role("reader", rule("list", "pods"))
    rights.bind("Role", "reader", {"kind": "ServiceAccount", "name": "bot", "namespace": "tools"})
    assert rights.may(service_account_user("tools", "bot"), "list", "v1/pods", "default")
    assert not rights.may(service_account_user("default", "bot"), "list", "v1/pods", "default")


@pytest.mark.parametrize(
    ("resources", "asked", "allowed"),
    [
        ("pods", ("get", "v1/pods", "default", "p", "status"), False),
        ("pods/status", ("get", "v1/pods", "default", "p", "status"), True),
        ("pods/status", ("get", "v1/pods", "default", "p"), False),
        ("*", ("get", "v1/pods", "default", "p", "status"), True),
        ("*/scale", ("get", "apps/v1/deployments", "default", "w", "scale"), True),
        ("*/scale", ("get", "apps/v1/deployments", "default", "w"), False),
        ("*/status", ("get", "apps/v1/deployments", "default", "w", "scale"), False),
    ],
)
def test_subresources_are_resources_of_their_own(rights, resources, asked, allowed):
    rights.role("r", rule("get", resources, "*"))
    rights.bind("Role", "r", user("jane"))
    assert rights.may(JANE, *asked) is allowed


def test_rules_about_names(rights):
    rights.role("one", rule("get,delete,list,create", "configmaps", names="mine"))
    rights.bind("Role", "one", user("jane"))
    assert rights.may(JANE, "get", "v1/configmaps", "default", "mine")
    assert not rights.may(JANE, "get", "v1/configmaps", "default", "other")
    assert not rights.may(JANE, "list", "v1/configmaps", "default")
    assert rights.may(JANE, "list", "v1/configmaps", "default", options={"fieldSelector": "metadata.name=mine"})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}
    assert not rights.may(JANE, "create", "v1/configmaps", "default", "mine", "", body)  # no name in its URL
    assert not rights.cluster.exists("v1/configmaps", "mine")


def test_rights_are_looked_at_anew_when_they_change(rights):
    rights.role("r", rule("list", "pods"))
    rights.bind("Role", "r", user("jane"))
    assert rights.may(JANE, "list", "v1/pods", "default")
    rights.cluster.call("delete", f"{RBAC}/v1/rolebindings", "default", "r")
    assert not rights.may(JANE, "list", "v1/pods", "default")
    rights.bind("Role", "r", user("jane"))
    assert rights.may(JANE, "list", "v1/pods", "default")
    rights.cluster.call(
        "patch", f"{RBAC}/v1/roles", "default", "r", "", {"rules": [rule("get", "pods")]}, {"patchType": "merge"}
    )
    assert not rights.may(JANE, "list", "v1/pods", "default")


def test_a_missing_role_is_told(rights):
    rights.bind("Role", "nowhere", user("jane"))
    message = rights.ask(JANE, "list", "v1/pods", "default").status["message"]
    assert message.endswith(': RBAC: role.rbac.authorization.k8s.io "nowhere" not found')


# Aggregation


def test_aggregated_roles_follow_those_they_are_made_of(rights):
    selector = {"clusterRoleSelectors": [{"matchLabels": {"to": "monitor"}}]}
    rights.cluster_role("monitor", aggregationRule=selector)
    rights.cluster_role("part", rule("list", "pods"), metadata={"labels": {"to": "monitor"}})
    rights.bind_cluster("monitor", user("jane"))
    assert rights.may(JANE, "list", "v1/pods")
    rights.cluster.call("delete", f"{RBAC}/v1/clusterroles", "", "part")
    assert not rights.may(JANE, "list", "v1/pods")


def test_the_built_in_roles_are_aggregated(rights):
    roles = {name: rights.cluster.get(f"{RBAC}/v1/clusterroles", name, "") for name in ("view", "edit", "admin")}
    view, edit, admin = (roles[name]["rules"] for name in ("view", "edit", "admin"))
    assert len(view) < len(edit) < len(admin)
    assert all(each in edit for each in view)
    assert all(each in admin for each in edit)
    custom = rule("list", "widgets", "example.com")
    label = {"labels": {f"{RBAC}/aggregate-to-view": "true"}}
    rights.cluster_role("widget-viewer", custom, metadata=label)
    rights.cluster.settle()
    for name in roles:
        assert custom in rights.cluster.get(f"{RBAC}/v1/clusterroles", name, "")["rules"]


def test_what_view_edit_and_admin_are_for(rights):
    people = {name: User(name) for name in ("view", "edit", "admin")}
    for name in people:
        rights.bind("ClusterRole", name, user(name))
    expected = {
        ("list", "v1/pods"): ("view", "edit", "admin"),
        ("list", "v1/secrets"): ("edit", "admin"),
        ("deletecollection", "apps/v1/deployments"): ("edit", "admin"),
        ("list", f"{RBAC}/v1/roles"): ("admin",),
        ("list", "v1/nodes"): (),
    }
    for (verb, resource), allowed in expected.items():
        namespace = "" if resource == "v1/nodes" else "default"
        assert [name for name in people if rights.may(people[name], verb, resource, namespace)] == list(allowed)


def test_built_in_roles_are_completed_at_the_next_start(rights):
    cluster = rights.cluster
    resource = f"{RBAC}/v1/clusterroles"
    for name, annotation in (("system:basic-user", "true"), ("system:discovery", "false")):
        metadata = {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": annotation}}
        body = {"metadata": metadata, "rules": [rule("list", "leases")]}
        cluster.call("patch", resource, "", name, "", body, {"patchType": "merge"})
    cluster.simulation.crash("apiserver")
    cluster.settle(2.0)
    assert len(cluster.get(resource, "system:basic-user", "")["rules"]) == 3
    assert cluster.get(resource, "system:discovery", "")["rules"] == [rule("list", "leases")]


# Escalation


def test_nobody_grants_what_they_do_not_hold(rights):
    rights.role("editor", rule("create,update,patch", "roles,rolebindings", RBAC), rule("get", "pods"))
    rights.bind("Role", "editor", user("jane"))
    resource = f"{RBAC}/v1/roles"
    fine = role("Role", "fine", rule("get", "pods"), namespace="default")
    assert rights.ask(JANE, "create", resource, "default", "fine", "", fine).ok
    more = role("Role", "more", rule("get,delete", "pods,secrets"), namespace="default")
    result = rights.ask(JANE, "create", resource, "default", "more", "", more)
    assert result.code == 403
    assert result.status["message"] == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" (groups=["devs" "system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}'
    )
    assert not rights.cluster.exists(resource, "more")
    patch = {"rules": more["rules"]}
    assert not rights.may(JANE, "patch", resource, "default", "fine", "", patch, {"patchType": "merge"})
    assert rights.cluster.get(resource, "fine")["rules"] == fine["rules"]
    rights.role("trusted", rule("escalate", "roles", RBAC))
    rights.bind("Role", "trusted", user("jane"))
    assert rights.ask(JANE, "create", resource, "default", "more", "", more).ok


def test_nobody_binds_a_role_they_do_not_hold(rights):
    rights.role("editor", rule("create", "rolebindings", RBAC), rule("get", "pods"))
    rights.bind("Role", "editor", user("jane"))
    resource = f"{RBAC}/v1/rolebindings"
    strong = binding("RoleBinding", "strong", "ClusterRole", "cluster-admin", user("jane"), namespace="default")
    assert not rights.may(JANE, "create", resource, "default", "strong", "", strong)
    assert not rights.cluster.exists(resource, "strong")
    own = binding("RoleBinding", "own", "Role", "editor", user("joe"), namespace="default")
    assert rights.ask(JANE, "create", resource, "default", "own", "", own).ok
    missing = binding("RoleBinding", "void", "Role", "nowhere", user("joe"), namespace="default")
    assert rights.ask(JANE, "create", resource, "default", "void", "", missing).code == 404
    rights.role("binder", rule("bind", "clusterroles", RBAC, names="cluster-admin"))
    rights.bind("Role", "binder", user("jane"))
    assert rights.ask(JANE, "create", resource, "default", "strong", "", strong).ok


def test_an_aggregated_role_grants_everything(rights):
    rights.cluster_role("writer", rule("create", "clusterroles", RBAC))
    rights.bind_cluster("writer", user("jane"))
    selector = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    aggregated = role("ClusterRole", "all", aggregationRule=selector)
    assert not rights.may(JANE, "create", f"{RBAC}/v1/clusterroles", "", "all", "", aggregated)


# The actors


def acting(rights, sender):
    """The client of an actor of that name."""
    return Client(rights.cluster.simulation.context(sender))


@pytest.mark.parametrize(
    ("sender", "operation"),
    [
        ("deployment-controller", Operation("create", "v1/pods", "default", "p", "", {})),
        ("replicaset-controller", Operation("delete", "apps/v1/deployments", "default", "web")),
        ("scheduler", Operation("create", "v1/pods", "default", "p", "", {})),
        ("scheduler", Operation("get", "v1/secrets", "default", "s")),
        ("node-lifecycle-controller", Operation("create", "v1/nodes", "", "n", "", {})),
        ("gateway", Operation("create", "v1/configmaps", "default", "c", "", {})),
    ],
)
def test_an_actor_beyond_its_rights_is_refused(rights, sender, operation):
    client = acting(rights, sender)
    (result,) = rights.cluster.run(client.batch([operation]))
    assert result.code == 403
    assert "is forbidden: User" in result.status["message"]


def test_an_actor_may_not_watch_beyond_its_rights(rights):
    rights.cluster.run(acting(rights, "scheduler").list("v1/pods"))
    with pytest.raises(ApiError, match="cannot list resource"):
        rights.cluster.run(acting(rights, "scheduler").list("v1/secrets"))
    context = rights.cluster.simulation.context("scheduler")
    with pytest.raises(Exception, match='cannot watch resource "secrets"'):
        rights.cluster.run(context.request("apiserver", "watch", {"resource": "v1/secrets", "since": 0}))


def test_a_kubelet_touches_its_own_node_and_pods(rights):
    cluster = rights.cluster
    for name in ("n1", "n2"):
        cluster.create("v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    for name, secret in (("a", "sa"), ("b", "sb")):
        cluster.create("v1/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}}, "default")
        container = {"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": secret}}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}
        cluster.create("v1/pods", pod, "default")
    cluster.bind("a", "n1")
    cluster.bind("b", "n2")
    status = ({"status": {"phase": "Running"}}, {"patchType": "merge"})
    nodes = [(name, node_user(name)) for name in ("n1", "n2")]
    for name, who in nodes:
        own, other, own_secret, other_secret = ("a", "b", "sa", "sb") if name == "n1" else ("b", "a", "sb", "sa")
        assert rights.may(who, "patch", "v1/pods", "default", own, "status", *status)
        assert not rights.may(who, "patch", "v1/pods", "default", other, "status", *status)
        assert not rights.may(who, "delete", "v1/pods", "default", other)
        assert rights.may(who, "get", "v1/secrets", "default", own_secret)
        assert not rights.may(who, "get", "v1/secrets", "default", other_secret)
        assert not rights.may(who, "list", "v1/secrets", "default")
        assert not rights.may(who, "list", "v1/pods", "default")
        assert rights.may(who, "list", "v1/pods", options={"fieldSelector": f"spec.nodeName={name}"})
        other_node = "n2" if name == "n1" else "n1"
        patch = ({"metadata": {"labels": {"x": "y"}}}, {"patchType": "merge"})
        assert rights.may(who, "patch", "v1/nodes", "", name, "", *patch)
        assert not rights.may(who, "patch", "v1/nodes", "", other_node, "", *patch)
        assert not rights.may(who, "delete", "v1/nodes", "", name)
    kubelet = acting(rights, "kubelet-n1")
    with pytest.raises(ApiError, match="is not allowed to modify 'n3'"):
        cluster.run(kubelet.create("v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n3"}}))


def test_an_informer_that_is_refused_says_so_once_and_goes_on_trying(rights, capsys):
    cluster = rights.cluster
    informer = Informer(Client(cluster.ctx, user=JANE), Stream("v1/configmaps", "default"))
    context = cluster.simulation.context("client")
    context.spawn(informer.start(), "informer")
    cluster.settle(10)
    told = capsys.readouterr().err
    assert told.count('configmaps is forbidden: User "jane" cannot list resource "configmaps"') == 1
    rights.role("reader", rule("list,watch", "configmaps"))
    rights.bind("Role", "reader", user("jane"))
    cluster.create("v1/configmaps", config_map("c"), "default")
    cluster.settle(10)
    assert len(informer) == 1
