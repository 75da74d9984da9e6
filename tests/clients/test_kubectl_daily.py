"""What people type every day, with the real kubectl of two versions."""

import base64
import json
import os
import signal
import subprocess
import time
import urllib.request

import pytest

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "nginx:1.25"}]}
"""
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, labels: {app: web}}\ndata: {a: '1'}\n"

feature = pytest.mark.feature
#: Events, certificates and the like come after what they tell of.
EVENTUALLY_S = 30


def eventually(look, text: str) -> str:
    """What is said once it has a text."""
    deadline_s = time.monotonic() + EVENTUALLY_S
    while text not in (said := look()):
        assert time.monotonic() < deadline_s, said
        time.sleep(0.2)
    return said


@feature("create, with every generator")
def test_create(kubectl, tmp_path):
    (tmp_path / "file").write_text("content")
    for words, kind in (
        ("configmap cm --from-literal=a=b", "configmap/cm"),
        ("secret generic s --from-literal=p=q", "secret/s"),
        ("secret docker-registry d --docker-server=x --docker-username=u --docker-password=p", "secret/d"),
        ("serviceaccount bot", "serviceaccount/bot"),
        ("role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r"),
        ("rolebinding rb --role=r --serviceaccount=default:bot", "rolebinding.rbac.authorization.k8s.io/rb"),
        ("quota q --hard=configmaps=100", "resourcequota/q"),
        ("poddisruptionbudget pdb --selector=app=x --min-available=1", "poddisruptionbudget.policy/pdb"),
        ("ingress ing --rule=a.example/x=web:80", "ingress.networking.k8s.io/ing"),
        ("service clusterip c --tcp=80:8080", "service/c"),
        ("service nodeport n --tcp=80:8080", "service/n"),
        ("service loadbalancer l --tcp=80:8080", "service/l"),
        ("service externalname e --external-name=x.example", "service/e"),
        ("cronjob cj --image=busybox --schedule=@daily -- date", "cronjob.batch/cj"),
        ("job j --image=busybox -- true", "job.batch/j"),
        ("deployment web --image=nginx --replicas=1", "deployment.apps/web"),
    ):
        assert kubectl("create", *words.split()) == f"{kind} created\n"
    assert kubectl("create", "job", "j2", "--from=cronjob/cj") == "job.batch/j2 created\n"
    assert kubectl("create", "configmap", "f", f"--from-file={tmp_path}") == "configmap/f created\n"
    assert kubectl("get", "cm", "f", "-o", "jsonpath={.data.file}") == "content"
    assert kubectl("create", "token", "bot").count(".") == 2
    unique = kubectl.namespace
    for words in (
        f"clusterrole {unique} --verb=get --resource=nodes",
        f"clusterrolebinding {unique} --clusterrole=view --user=u",
        f"priorityclass {unique} --value=5",
        f"namespace {unique}-more",
    ):
        assert kubectl("create", *words.split()).endswith(" created\n")
        kind, name = words.split()[:2]
        kubectl("delete", kind, name, "--wait=false")
    assert "already exists" in kubectl.refused("create", "configmap", "cm")


INDEXED = """
apiVersion: batch/v1
kind: Job
metadata: {name: indexed}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}}
"""
FAILING = """
apiVersion: batch/v1
kind: Job
metadata: {name: failing}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {sim.podchain.dev/exit-code: "3", sim.podchain.dev/logs: no luck}}
    spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}
"""


@feature("jobs: create, wait for their end, logs, describe, time to live")
def test_jobs(kubectl):
    assert kubectl("create", "job", "one", "--image=busybox", "--", "true") == "job.batch/one created\n"
    assert kubectl("wait", "--for=condition=complete", "job/one", "--timeout=60s") == "job.batch/one condition met\n"
    assert kubectl("get", "job", "one").split()[5:8] == ["one", "Complete", "1/1"]
    said = eventually(lambda: kubectl("describe", "job", "one"), "Job completed")
    for text in ("Pods Statuses:", "1 Succeeded / 0 Failed", "Created pod: one-", "Completion Mode:  NonIndexed"):
        assert text in said
    kubectl("create", "cronjob", "cj", "--image=busybox", "--schedule=@daily", "--", "date")
    kubectl("create", "job", "from", "--from=cronjob/cj")
    kubectl("wait", "--for=condition=complete", "job/from", "--timeout=60s")
    kubectl("apply", "-f", "-", stdin=INDEXED + "---" + FAILING)
    kubectl("wait", "--for=condition=complete", "job/indexed", "--timeout=60s")
    assert kubectl("get", "job", "indexed", "-o", "jsonpath={.status.completedIndexes}") == "0-2"
    assert "Completed Indexes:  0-2" in kubectl("describe", "job", "indexed")
    kubectl("wait", "--for=condition=failed", "job/failing", "--timeout=60s")
    assert kubectl("logs", "job/failing") == "no luck\n"
    assert "BackoffLimitExceeded" in kubectl("describe", "job", "failing")
    kubectl("patch", "job", "indexed", "-p", '{"spec":{"ttlSecondsAfterFinished":0}}')
    kubectl("wait", "--for=delete", "job/indexed", "--timeout=30s")
    kubectl("delete", "job", "one", "failing", "from")
    assert kubectl("get", "jobs,pods", "-o", "name") == ""


@feature("apply, client-side: create, change, prune, diff")
def test_apply_client_side(kubectl):
    assert kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/web unchanged\n"
    assert kubectl("diff", "-f", "-", stdin=WEB) == ""
    changed = WEB.replace("replicas: 2", "replicas: 3")
    assert kubectl.run("diff", "-f", "-", stdin=changed).returncode == 1
    assert kubectl("apply", "-f", "-", stdin=changed + "---\n" + SETTINGS).splitlines() == [
        "deployment.apps/web configured",
        "configmap/settings created",
    ]
    assert "configmap/settings pruned" in kubectl("apply", "--prune", "-l", "app=web", "-f", "-", stdin=changed)
    assert 'unknown field "spec.nope"' in kubectl.refused("apply", "-f", "-", stdin=WEB + "  nope: 1\n")
    assert "dry run" in kubectl("apply", "--dry-run=server", "-f", "-", stdin=SETTINGS)
    assert "not found" in kubectl.refused("get", "cm", "settings")


@feature("apply, server-side: conflicts, force, diff, managed fields")
def test_apply_server_side(kubectl):
    assert kubectl("apply", "--server-side", "-f", "-", stdin=WEB) == "deployment.apps/web serverside-applied\n"
    kubectl("scale", "deployment/web", "--replicas=4")
    other = ("apply", "--server-side", "--field-manager=other", "-f", "-")
    said = kubectl.refused(*other, stdin=WEB.replace('"nginx:1.25"', '"nginx:1.26"'))
    assert 'Apply failed with 2 conflicts: conflicts with "kubectl"' in said
    assert ".spec.replicas" in said
    assert '.spec.template.spec.containers[name="main"].image' in said
    kubectl(*other, "--force-conflicts", stdin=WEB.replace('"nginx:1.25"', '"nginx:1.26"'))
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={..image}") == "nginx:1.26"
    assert "manager: other" in kubectl("get", "deployment", "web", "-o", "yaml", "--show-managed-fields")
    assert kubectl.run("diff", "--server-side", "--force-conflicts", "-f", "-", stdin=WEB).returncode == 1


@feature("get: tables, formats, selectors, watch")
def test_get(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("get", "deployment").split()[:5] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert kubectl("get", "pods", "-o", "wide").split()[5:9] == ["IP", "NODE", "NOMINATED", "NODE"]
    assert len(kubectl("get", "pods", "-l", "app=web", "-o", "name").split()) == 2
    assert len(kubectl("get", "pods", "--field-selector=status.phase=Running", "--no-headers").splitlines()) == 2
    assert kubectl("get", "pods", "-o", "custom-columns=IMAGE:.spec.containers[*].image").split()[1] == "nginx:1.25"
    assert "deployment.apps/web" in kubectl("get", "all")
    assert kubectl("get", "deploy", "web", "-o", "go-template={{.spec.replicas}}") == "2"
    assert json.loads(kubectl("get", "deploy", "web", "-o", "json"))["kind"] == "Deployment"
    assert "No resources found" in kubectl.run("get", "configmaps", "-l", "x=y").stderr
    assert kubectl("get", "pods", "--sort-by=.metadata.name", "--show-labels").count("app=web") == 2
    watching = subprocess.Popen(
        [
            kubectl.path,
            "--kubeconfig",
            kubectl.gateway.kubeconfig,
            "-n",
            kubectl.namespace,
            "get",
            "cm",
            "-w",
            "-o",
            "name",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        kubectl("create", "configmap", "seen")
        assert any("configmap/seen" in watching.stdout.readline() for _ in range(3))
    finally:
        watching.kill()
        watching.wait()


@feature("describe: events, conditions, ages")
def test_describe(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    said = kubectl("describe", "deployment", "web")
    for text in ("2 desired | 2 updated | 2 total | 2 available", "MinimumReplicasAvailable", "ScalingReplicaSet"):
        assert text in said
    pod = kubectl("get", "pods", "-l", "app=web", "-o", "name").split()[0]
    said = eventually(lambda: kubectl("describe", pod), "Container started")
    for text in ("Successfully assigned", "Pulled", "PodScheduled", "Controlled By:", "node.kubernetes.io/not-ready"):
        assert text in said
    said = kubectl("describe", "node", "node-1")
    for text in ("Ready ", "KubeletReady", "Allocated resources", "Non-terminated Pods"):
        assert text in said
    kubectl("create", "quota", "q", "--hard=pods=9")
    kubectl("create", "service", "clusterip", "c", "--tcp=80")
    kubectl("create", "secret", "generic", "s", "--from-literal=p=q")
    quota = ("quota", "Name:       q")
    for kind, text in (quota, ("service", "ClusterIP"), ("secret", "1 bytes"), ("replicaset", "web-")):
        assert text in kubectl("describe", kind)


@feature("explain, api-resources, api-versions, version, cluster-info")
def test_questions(kubectl):
    assert "maxSurge" in kubectl("explain", "deployment.spec.strategy", "--recursive")
    assert "RESOURCES" in kubectl("explain", "pod.spec.containers.resources").upper()
    assert "deployments" in kubectl("api-resources", "--api-group=apps")
    assert "apps/v1\n" in kubectl("api-versions")
    assert "Server Version: v1.37" in kubectl("version")
    assert "is running at" in kubectl("cluster-info")
    assert "podchain" in kubectl("config", "get-contexts")
    assert "certificate-authority-data" in kubectl("config", "view")


@feature("edit, replace, label, annotate, patch, set")
def test_changes(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("edit", "deployment", "web", KUBE_EDITOR="sed -i s/replicas:.2/replicas:\\ 1/")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "1"
    kubectl("replace", "-f", "-", stdin=WEB)
    kubectl("label", "deployment", "web", "x=y")
    kubectl("label", "deployment", "web", "x=z", "--overwrite")
    kubectl("annotate", "deployment", "web", "k=v")
    kubectl("annotate", "deployment", "web", "k-")
    kubectl("patch", "deployment", "web", "-p", '{"spec":{"minReadySeconds":1}}')
    kubectl(
        "patch", "deployment", "web", "--type=json", "-p", '[{"op":"test","path":"/spec/minReadySeconds","value":1}]'
    )
    kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"minReadySeconds":null}}')
    kubectl("patch", "deployment", "web", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":3}}')
    kubectl("set", "image", "deployment/web", "main=nginx:2")
    kubectl("set", "env", "deployment/web", "A=b")
    kubectl("set", "resources", "deployment/web", "--limits=cpu=200m")
    kubectl("set", "serviceaccount", "deployment/web", "default")
    found = json.loads(kubectl("get", "deploy", "web", "-o", "json"))
    assert found["metadata"]["labels"]["x"] == "z"
    assert found["spec"]["replicas"] == 3
    container = found["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("nginx:2", [{"name": "A", "value": "b"}])
    assert "the object has been modified" in kubectl.refused(
        "replace", "-f", "-", stdin=json.dumps({**found, "metadata": {**found["metadata"], "resourceVersion": "1"}})
    )


@feature("scale, autoscale, expose, run, wait")
def test_scale(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=30s")
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    assert "autoscaled" in kubectl("autoscale", "deployment", "web", "--min=1", "--max=5", "--cpu-percent=80")
    assert "Deployment/web" in kubectl("get", "hpa")
    assert kubectl("expose", "deployment", "web", "--port=80") == "service/web exposed\n"
    assert kubectl("run", "one", "--image=nginx", "--restart=Never") == "pod/one created\n"
    kubectl("wait", "--for=create", "pod/one", "--timeout=10s")
    kubectl("delete", "pod", "one")
    kubectl("wait", "--for=delete", "pod/one", "--timeout=30s")


@feature("rollout: status, history, pause, resume, undo, restart")
def test_rollout(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("rollout", "pause", "deployment/web")
    kubectl("set", "image", "deployment/web", "main=nginx:2")
    kubectl("rollout", "resume", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "REVISION" in kubectl("rollout", "history", "deployment/web")
    assert "nginx:1.25" in kubectl("rollout", "history", "deployment/web", "--revision=1")
    assert kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    assert kubectl("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={..image}") == "nginx:1.25"


@feature("delete: cascades, grace, selectors, all")
def test_delete(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB + "---\n" + SETTINGS)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "deleted" in kubectl("delete", "deployment", "web", "--cascade=orphan")
    assert len(kubectl("get", "pods", "-o", "name").split()) == 2
    kubectl("delete", "replicaset", "--all", "--cascade=foreground")
    assert kubectl("get", "pods", "-o", "name") == ""
    kubectl("run", "one", "--image=nginx")
    assert "force deleted" in kubectl("delete", "pod", "one", "--grace-period=0", "--force")
    assert "configmap" in kubectl("delete", "-f", "-", stdin=SETTINGS)
    assert "not found" in kubectl.refused("delete", "-f", "-", stdin=SETTINGS)
    assert kubectl("delete", "-f", "-", "--ignore-not-found", stdin=SETTINGS) == ""


@feature("cordon, drain, uncordon, taint")
def test_nodes(kubectl):
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("cordon", "node-1")
    assert "SchedulingDisabled" in kubectl("get", "node", "node-1")
    assert "drained" in kubectl("drain", "node-1", "--ignore-daemonsets", "--force", "--timeout=40s")
    kubectl("uncordon", "node-1")
    kubectl("taint", "node", "node-1", "a=b:NoSchedule")
    assert "a=b:NoSchedule" in kubectl("describe", "node", "node-1")
    kubectl("taint", "node", "node-1", "a-")


@feature("logs, events")
def test_logs_and_events(kubectl):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "annotations": {"sim.podchain.dev/logs": "one\ntwo\nthree\n"}},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=30s")
    assert kubectl("logs", "p") == "one\ntwo\nthree\n"
    assert kubectl("logs", "p", "--tail=1", "--prefix") == "[pod/p/main] three\n"
    assert kubectl("logs", "p", "--timestamps", "--limit-bytes=100000").count("T") >= 3
    assert "previous terminated container" in kubectl.refused("logs", "p", "--previous")
    assert "Started" in kubectl("events", "--for=pod/p")
    assert "Scheduled" in kubectl("get", "events", "--field-selector=involvedObject.name=p")


@feature("exec, top (attach, cp, port-forward, debug: tests/gateway/test_streams_into_pods.py)")
def test_exec(kubectl):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "annotations": {"sim.podchain.dev/exec-output": "played\n"}},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=30s")
    assert kubectl("exec", "p", "--", "anything") == "played\n"
    assert "p" in kubectl("top", "pod")
    assert "node-1" in kubectl("top", "node")


@feature("auth can-i, whoami; --as")
def test_auth(kubectl):
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    assert "*.*" in kubectl("auth", "can-i", "--list")
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "rolebinding", "r", "--clusterrole=view", f"--serviceaccount={kubectl.namespace}:reader")
    reader = f"--as=system:serviceaccount:{kubectl.namespace}:reader"
    assert kubectl("auth", "can-i", "list", "pods", reader) == "yes\n"
    assert kubectl.run("auth", "can-i", "delete", "pods", reader).stdout == "no\n"
    said = kubectl.refused("delete", "configmap", "kube-root-ca.crt", reader)
    assert f'User "system:serviceaccount:{kubectl.namespace}:reader" cannot' in said


@feature("certificate approve, deny")
def test_certificates(kubectl, tmp_path):
    key, request = tmp_path / "key", tmp_path / "csr"
    subject = ["-subj", "/CN=jane/O=developers"]
    command = ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, *subject]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    for name, verb, condition in (("yes", "approve", "Approved"), ("no", "deny", "Denied")):
        csr = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": f"{kubectl.namespace}-{name}"},
            "spec": {
                "request": base64.b64encode(request.read_bytes()).decode(),
                "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"],
            },
        }
        kubectl("create", "-f", "-", stdin=json.dumps(csr))
        kubectl("certificate", verb, f"{kubectl.namespace}-{name}")
        assert condition in kubectl("get", "csr", f"{kubectl.namespace}-{name}")
    path = "jsonpath={.status.certificate}"
    issued = eventually(lambda: kubectl("get", "csr", f"{kubectl.namespace}-yes", "-o", path), "LS0t")
    certificate = tmp_path / "crt"
    certificate.write_bytes(base64.b64decode(issued))
    words = ["--client-certificate", str(certificate), "--client-key", str(key)]
    assert "jane" in kubectl("auth", "whoami", *words)
    assert 'User "jane" cannot list resource "pods"' in kubectl.refused("get", "pods", *words)


@feature("apply -k (kustomize)")
def test_kustomize(kubectl, tmp_path):
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / "kustomization.yaml").write_text("namePrefix: my-\nresources: [web.yaml]\n")
    assert kubectl("apply", "-k", str(tmp_path)) == "deployment.apps/my-web created\n"
    assert "my-web" in kubectl("kustomize", str(tmp_path))


@feature("proxy, get --raw")
def test_proxy(kubectl):
    command = [kubectl.path, "--kubeconfig", kubectl.gateway.kubeconfig, "proxy", "--port=0"]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = int(proxy.stdout.readline().rsplit(":", 1)[1])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/nodes", timeout=20) as answer:
            assert json.load(answer)["kind"] == "NodeList"
    finally:
        os.kill(proxy.pid, signal.SIGTERM)
        proxy.wait()
    assert json.loads(kubectl("get", "--raw", "/api/v1/nodes"))["kind"] == "NodeList"


@feature("custom resources")
def test_custom_resources(kubectl):
    kubectl("apply", "-f", "examples/crontab-crd.yaml")
    kubectl("wait", "--for=condition=established", "crd/crontabs.stable.example.com", "--timeout=20s")
    cron = {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "c"}}
    kubectl("apply", "-f", "-", stdin=json.dumps({**cron, "spec": {"cronSpec": "@daily"}}))
    kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps({**cron, "spec": {"replicas": 2}})
    )
    assert kubectl("get", "ct").split()[:4] == ["NAME", "SPEC", "REPLICAS", "AGE"]
    assert kubectl("get", "ct", "c", "--no-headers").split()[:3] == ["c", "@daily", "2"]
    assert "when" in kubectl("explain", "crontab.spec")
    kubectl("scale", "ct/c", "--replicas=3")
    assert kubectl("get", "ct", "c", "-o", "jsonpath={.spec.replicas}") == "3"
    refused = {**cron, "metadata": {"name": "bad"}, "spec": {"cronSpec": "no", "replicas": 99}}
    said = kubectl.refused("create", "-f", "-", stdin=json.dumps(refused))
    assert "spec.replicas: Invalid value: 99" in said
    assert 'customresourcedefinition.apiextensions.k8s.io "crontabs.stable.example.com" deleted' in kubectl(
        "delete", "crd", "crontabs.stable.example.com"
    )
