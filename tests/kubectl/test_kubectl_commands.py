"""The commands against a whole simulated cluster: what they do, what they print, how they fail."""

from __future__ import annotations

import json

import pytest

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %s}}
spec: {containers: [{name: main, image: "nginx:1"}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: %(name)s}
spec:
  replicas: %(replicas)s
  selector: {matchLabels: {app: %(name)s}}
  template:
    metadata: {labels: {app: %(name)s}}
    spec:
      containers:
      - {name: web, image: "nginx:1"%(extra)s}
"""


def deployment(name: str, replicas: int = 1, extra: str = "") -> str:
    return DEPLOYMENT % {"name": name, "replicas": replicas, "extra": extra}


def config_map(name: str, **data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


# apply


def test_apply_creates_configures_and_leaves_alone(world):
    assert world.ok("apply", "-f", "-", text=config_map("a1", k="v")) == "configmap/a1 created\n"
    assert world.ok("apply", "-f", "-", text=config_map("a1", k="v")) == "configmap/a1 unchanged\n"
    assert world.ok("apply", "-f", "-", text=config_map("a1", k="w")) == "configmap/a1 configured\n"
    assert world.ok("get", "cm", "a1", "-o", "jsonpath={.data}") == '{"k":"w"}'


def test_apply_removes_what_was_applied_and_keeps_what_others_set(world):
    world.ok("apply", "-f", "-", text=config_map("a2", mine="1", gone="1"))
    world.ok("patch", "cm", "a2", "-p", '{"data": {"theirs": "1"}}')
    world.ok("apply", "-f", "-", text=config_map("a2", mine="2"))
    assert json.loads(world.ok("get", "cm", "a2", "-o", "jsonpath={.data}")) == {"mine": "2", "theirs": "1"}


def test_apply_merges_containers_by_name(world):
    world.ok("apply", "-f", "-", text=deployment("a3"))
    world.ok("set", "image", "deployment/a3", "web=nginx:2")
    world.ok("scale", "deployment", "a3", "--replicas=2")
    world.ok("apply", "-f", "-", text=deployment("a3", extra=', env: [{name: A, value: "1"}]'))
    shown = json.loads(world.ok("get", "deploy", "a3", "-o", "json"))
    container = shown["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "value": "1"}]
    assert container["image"] == "nginx:1"
    assert shown["spec"]["replicas"] == 1


def test_dry_runs_store_nothing(world):
    assert world.ok("apply", "-f", "-", "--dry-run=client", text=config_map("a4")) == "configmap/a4 created (dry run)\n"
    told = world.ok("apply", "-f", "-", "--dry-run=server", text=config_map("a4"))
    assert told == "configmap/a4 created (server dry run)\n"
    assert "not found" in world.fails("get", "cm", "a4")


def test_an_unknown_field_is_named(world):
    text = deployment("a5").replace("image:", "imagee:")
    error = world.fails("apply", "-f", "-", text=text)
    assert error == (
        'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be '
        'handled as a Deployment: strict decoding error: unknown field "spec.template.spec.containers[0].imagee"\n'
    )
    assert "not found" in world.fails("get", "deploy", "a5")


def test_an_invalid_object_lists_its_causes(world):
    text = deployment("a6").replace("matchLabels: {app: a6}", "matchLabels: {app: other}")
    error = world.fails("create", "-f", "-", text=text)
    assert error.startswith('The Deployment "a6" is invalid: spec.template.metadata.labels: Invalid value: ')
    assert error.endswith("`selector` does not match template `labels`\n")


def test_each_document_is_tried(world):
    text = "\n---\n".join(
        [config_map("a7"), "kind: ConfigMap\nmetadata: {name: x}", config_map("a8"), "apiVersion: v1\nkind: Nope\n"]
    )
    ran = world.run("apply", "-f", "-", text=text)
    assert ran.code == 1
    assert ran.out.splitlines() == ["configmap/a7 created", "configmap/a8 created"]
    assert "apiVersion not set" in ran.err
    assert 'no matches for kind "Nope" in version "v1"\nensure CRDs are installed first' in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "error: error parsing STDIN: error converting YAML to JSON: yaml: line 1:"),
        ("metadata: {name: x, name: y}\nkind: Pod", 'line 1: key "name" already set in map'),
        ("- a", 'error: unable to decode "STDIN": json: cannot unmarshal array into Go value'),
        ("apiVersion: v1\nmetadata: {name: x}", "error: unable to decode \"STDIN\": Object 'Kind' is missing in"),
        ("a: &a [x, *a]", "contains itself"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{c}: &{c} [{','.join('*' + p for _ in range(10))}]\n"
                for p, c in zip("abcdefg", "bcdefgh", strict=True)
            ),
            "excessive aliasing",
        ),
        ("{" * 300 + "}" * 300, "max depth"),
        ("", "no objects passed to apply"),
    ],
)
def test_unreadable_manifests(world, text, said):
    assert said in world.fails("apply", "-f", "-", text=text)


def test_files_and_directories(world, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.yaml").write_text(config_map("f1"))
    (tmp_path / "a.json").write_text(config_map("f2"))
    (tmp_path / "note.txt").write_text("no manifest")
    (tmp_path / "sub" / "c.yml").write_text(config_map("f3"))
    assert world.ok("apply", "-f", str(tmp_path)).splitlines() == ["configmap/f2 created", "configmap/f1 created"]
    assert "configmap/f3 created" in world.ok("apply", "-R", "-f", str(tmp_path))
    assert world.fails("apply", "-f", "nope.yaml") == 'error: the path "nope.yaml" does not exist\n'


def test_a_namespace_that_contradicts_the_flag_is_refused(world):
    text = config_map("n1").replace('"name": "n1"', '"name": "n1", "namespace": "kube-system"')
    assert "You must pass '--namespace=kube-system'" in world.fails("apply", "-n", "default", "-f", "-", text=text)


# create, delete


def test_create_twice(world):
    assert world.ok("create", "deployment", "c1", "--image=nginx") == "deployment.apps/c1 created\n"
    again = world.fails("create", "deployment", "c1", "--image=nginx")
    assert again == 'error: failed to create deployment: deployments.apps "c1" already exists\n'
    world.ok("create", "ns", "c2")
    assert world.fails("create", "ns", "c2") == 'Error from server (AlreadyExists): namespaces "c2" already exists\n'


def test_delete_waits_until_the_pod_is_gone(world):
    world.ok("apply", "-f", "-", text=POD % ("d1", "d1"))
    world.ok("wait", "--for=condition=Ready", "pod/d1")
    assert world.ok("delete", "pod", "d1") == 'pod "d1" deleted from default namespace\n'
    assert world.fails("get", "pod", "d1") == 'Error from server (NotFound): pods "d1" not found\n'
    assert world.fails("delete", "pod", "d1") == 'Error from server (NotFound): pods "d1" not found\n'
    assert world.ok("delete", "pod", "d1", "--ignore-not-found") == ""


def test_delete_by_selector_and_all(world):
    for name in ("d2", "d3"):
        world.ok("apply", "-f", "-", text=POD % (name, "d23"))
    assert world.fails("delete", "pods") == "error: resource(s) were provided, but no name was specified\n"
    assert len(world.ok("delete", "pods", "-l", "app=d23", "--now").splitlines()) == 2
    ran = world.run("delete", "pods", "-l", "app=d23")
    assert (ran.code, ran.out) == (0, "No resources found\n")


# get


def test_watch_prints_each_change(world):
    world.ok("create", "deployment", "w1", "--image=nginx", "--replicas=0")
    world.cluster.sim.run_for(5)
    lines = world.ok("get", "deploy", "w1", "-w", for_s=1).splitlines()
    assert lines[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert lines[1].split()[:2] == ["w1", "0/0"]


def test_watch_follows_a_pod_to_running(world):
    world.ok("apply", "-f", "-", text=POD % ("w2", "w2"))
    said = world.ok("get", "pods", "-l", "app=w2", "-w", for_s=10)
    assert "Running" in said


# scale, rollout


def test_scale_needs_the_expected_size(world):
    world.ok("create", "deployment", "s1", "--image=nginx", "--replicas=2")
    assert world.ok("scale", "deploy/s1", "--replicas=3", "--current-replicas=2") == "deployment.apps/s1 scaled\n"
    assert (
        world.fails("scale", "deploy/s1", "--replicas=4", "--current-replicas=2")
        == "error: Expected replicas to be 2, was 3\n"
    )
    assert "NotFound" in world.fails("scale", "deploy/nope", "--replicas=4")


def test_rollout_pause_resume_restart_undo(world):
    world.ok("create", "deployment", "r1", "--image=nginx:1")
    world.ok("rollout", "status", "deploy/r1", "--timeout=60s")
    assert world.ok("rollout", "pause", "deploy/r1") == "deployment.apps/r1 paused\n"
    assert world.fails("rollout", "pause", "deploy/r1") == 'error: deployments.apps "r1" is already paused\n'
    assert "can't restart paused deployment" in world.fails("rollout", "restart", "deploy/r1")
    assert world.ok("rollout", "resume", "deploy/r1") == "deployment.apps/r1 resumed\n"
    assert "no rollout history found" in world.fails("rollout", "undo", "deploy/r1")
    assert world.ok("rollout", "restart", "deploy/r1") == "deployment.apps/r1 restarted\n"
    world.ok("rollout", "status", "deploy/r1", "--timeout=60s")
    assert world.ok("rollout", "undo", "deploy/r1") == "deployment.apps/r1 rolled back\n"
    assert "unable to find specified revision 99 in history" in world.fails(
        "rollout", "undo", "deploy/r1", "--to-revision=99"
    )


def test_set_image_names_unknown_containers(world):
    world.ok("create", "deployment", "i1", "--image=nginx:1")
    assert world.fails("set", "image", "deploy/i1", "nope=x") == 'error: unable to find container named "nope"\n'
    assert world.ok("set", "image", "deploy/i1", "*=nginx:2") == "deployment.apps/i1 image updated\n"
    assert world.ok("set", "image", "deploy/i1", "nginx=nginx:2") == ""


# wait


def test_wait_times_out(world):
    world.ok("create", "cm", "t1")
    error = world.fails("wait", "--for=jsonpath={.data.k}=v", "cm/t1", "--timeout=2s")
    assert error == "error: timed out waiting for the condition on configmaps/t1\n"
    assert world.ok("wait", "--for=create", "cm/t1") == "configmap/t1 condition met\n"
    assert world.ok("wait", "--for=delete", "cm/nope") == "configmap/nope condition met\n"
    assert world.fails("wait", "--for=foo", "cm/t1") == 'error: unrecognized condition: "foo"\n'
    assert "NotFound" in world.fails("wait", "--for=condition=Ready", "pod/nope")


# label, annotate, patch, replace, edit, diff


def test_labels(world):
    world.ok("create", "cm", "l1")
    assert world.ok("label", "cm", "l1", "a=b") == "configmap/l1 labeled\n"
    assert world.ok("label", "cm", "l1", "a=b") == "configmap/l1 not labeled\n"
    assert world.fails("label", "cm", "l1", "a=c") == "error: 'a' already has a value (b), and --overwrite is false\n"
    assert world.ok("label", "cm", "l1", "a=c", "--overwrite") == "configmap/l1 labeled\n"
    assert world.ok("label", "cm", "l1", "a-") == "configmap/l1 unlabeled\n"
    assert world.ok("annotate", "cm", "l1", "note=hello world") == "configmap/l1 annotated\n"
    assert world.ok("get", "cm", "l1", "-o", "jsonpath={.metadata.annotations.note}") == "hello world"


def test_patches(world):
    world.ok("create", "cm", "p1", "--from-literal=a=1")
    assert world.ok("patch", "cm", "p1", "-p", "data: {b: two}") == "configmap/p1 patched\n"
    assert world.ok("patch", "cm", "p1", "-p", "data: {b: two}") == "configmap/p1 patched (no change)\n"
    operations = '[{"op": "remove", "path": "/data/a"}]'
    world.ok("patch", "cm", "p1", "--type=json", "-p", operations)
    assert world.ok("get", "cm", "p1", "-o", "jsonpath={.data}") == '{"b":"two"}'


def test_replace_and_diff(world):
    world.ok("create", "-f", "-", text=config_map("x1", a="1"))
    ran = world.run("diff", "-f", "-", text=config_map("x1", a="2"))
    assert ran.code == 1
    assert '-  a: "1"' in ran.out
    assert '+  a: "2"' in ran.out
    assert world.ok("replace", "-f", "-", text=config_map("x1", b="2")) == "configmap/x1 replaced\n"
    assert world.ok("get", "cm", "x1", "-o", "jsonpath={.data}") == '{"b":"2"}'
    assert "NotFound" in world.fails("replace", "-f", "-", text=config_map("x2"))


def test_edit_with_a_scripted_editor(world, monkeypatch):
    world.ok("create", "cm", "e1", "--from-literal=a=old")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/old/new/")
    assert world.ok("edit", "cm/e1") == "configmap/e1 edited\n"
    assert world.ok("get", "cm", "e1", "-o", "jsonpath={.data.a}") == "new"
    assert world.ok("edit", "cm/e1") == "Edit cancelled, no changes made.\n"


# nodes


def test_cordon_taint_drain(world):
    world.ok("create", "deployment", "dr", "--image=nginx", "--replicas=6")
    world.ok("rollout", "status", "deploy/dr", "--timeout=60s")
    assert world.ok("cordon", "node-3") == "node/node-3 cordoned\n"
    assert world.ok("cordon", "node-3") == "node/node-3 already cordoned\n"
    assert "SchedulingDisabled" in world.ok("get", "node", "node-3")
    said = world.ok("drain", "node-3", "--force", "--timeout=100s")
    assert "evicting pod default/dr-" in said
    assert said.endswith("node/node-3 drained\n")
    world.ok("rollout", "status", "deploy/dr", "--timeout=100s")
    assert "node-3" not in world.ok("get", "pods", "-l", "app=dr", "-o", "wide")
    assert world.ok("uncordon", "node-3") == "node/node-3 uncordoned\n"
    assert world.ok("taint", "nodes", "node-3", "k=v:NoSchedule") == "node/node-3 tainted\n"
    assert "and --overwrite is false" in world.fails("taint", "nodes", "node-3", "k=v:NoSchedule")
    assert world.ok("taint", "nodes", "node-3", "k-") == "node/node-3 untainted\n"
    assert world.fails("taint", "nodes", "node-3", "k-") == 'error: taint "k" not found\n'


def test_drain_refuses_pods_without_controller(world):
    world.ok("apply", "-f", "-", text=(POD % ("lonely", "lonely")).replace("spec: {", "spec: {nodeName: node-2, "))
    world.ok("wait", "--for=condition=Ready", "pod/lonely")
    assert "cannot delete Pods that declare no controller" in world.fails("drain", "node-2")
    world.ok("uncordon", "node-2")


# logs, events


def test_logs(world):
    annotations = 'metadata: {annotations: {sim.podchain.dev/logs: "one\\ntwo\\nthree\\n"}, name'
    world.ok("apply", "-f", "-", text=(POD % ("lg", "lg")).replace("metadata: {name", annotations))
    world.ok("wait", "--for=condition=Ready", "pod/lg")
    assert world.ok("logs", "lg") == "one\ntwo\nthree\n"
    assert world.ok("logs", "lg", "--tail=1") == "three\n"
    assert world.ok("logs", "lg", "-f", "--prefix", for_s=3).startswith("[pod/lg/main] one\n")
    assert "container nope is not valid for pod lg" in world.fails("logs", "lg", "-c", "nope")
    assert 'pods "nope" not found' in world.fails("logs", "nope")


def test_following_ends_with_the_pod(world):
    annotations = 'metadata: {annotations: {sim.podchain.dev/logs: "one\\n", sim.podchain.dev/stop-seconds: "4"}, name'
    world.ok("apply", "-f", "-", text=(POD % ("lf", "lf")).replace("metadata: {name", annotations))
    world.ok("wait", "--for=condition=Ready", "pod/lf")
    world.ok("delete", "pod", "lf", "--wait=false")
    assert world.ok("logs", "lf", "-f") == "one\n"
    world.cluster.sim.run_for(5)
    assert 'pods "lf" not found' in world.fails("logs", "lf", "-f")


def test_logs_of_a_container_that_never_started(world):
    annotations = 'metadata: {annotations: {sim.podchain.dev/image-pull-error: "no"}, name'
    world.ok(
        "apply", "-f", "-", text=(POD % ("np", "np")).replace("metadata: {name", annotations).replace("nginx:1", "no:1")
    )
    world.cluster.sim.run_for(5)
    error = world.fails("logs", "np")
    assert error.startswith('Error from server (BadRequest): container "main" in pod "np" is waiting to start: ')


def test_events(world):
    world.ok("apply", "-f", "-", text=POD % ("ev", "ev"))
    world.ok("wait", "--for=condition=Ready", "pod/ev")
    lines = world.ok("events", "--for=pod/ev").splitlines()
    assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert lines[1].split()[2] in ("Scheduled", "Pulling", "Pulled")
    assert "Pod/ev" in lines[1]
    assert (
        world.run("events", "-n", "kube-system", "--types=Warning").err == "No events found in kube-system namespace.\n"
    )


def test_usage_errors(world):
    assert world.fails("get", "pods", "--nope").startswith("error: unknown flag: --nope\n")
    assert world.fails("scale", "deploy/x") == 'error: required flag(s) "replicas" not set\n'
    assert world.fails("get", "nope") == 'error: the server doesn\'t have a resource type "nope"\n'
    assert world.fails("rollout", "nope").startswith('error: unknown command "nope" for "podchain rollout"')
