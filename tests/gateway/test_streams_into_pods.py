"""exec, attach, port-forward and cp with the real kubectl and with WebSockets by hand, into real processes."""

import asyncio
import http.client
import json
import os
import pty
import socket
import ssl
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import peers
import pytest
from real_kubectl import Kubectl, needs_kubectl

from actors.testing.live_cluster import LiveCluster

pytestmark = needs_kubectl

SERVER = """
import http.server, sys
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)
server.serve_forever()
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def served_port():
    return free_port()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, served_port):
    home = tmp_path_factory.mktemp("streams")
    cluster = LiveCluster(home, "streams-test", 1)
    cluster.up("--runtime", "process")
    box = {"name": "box", "image": "x", "command": ["python3", "-c", SERVER, str(served_port)]}
    echo = {"name": "echo", "image": "x", "stdin": True, "command": ["sh", "-c", "while read a; do echo got $a; done"]}
    echo["resources"] = {"requests": {"cpu": "10m"}}  # a resize can't change a pod's class of service
    for name, container in (("box", box), ("echo", echo)):
        spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        cluster.podchain("apply", "-f", "-", stdin=json.dumps(pod))
    cluster.podchain("wait", "--for=condition=Ready", "pod/box", "pod/echo", "--timeout=20s")
    try:
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="module", params=[peers.WHEEL, peers.OLDER], ids=["kubectl", "older-kubectl"])
def kubectl(request, cluster):
    if not peers.is_there(request.param):
        pytest.skip(peers.MISSING[request.param])
    return Kubectl(cluster.home, cluster, request.param)


def test_exec_gives_output_errors_and_the_exit_code(kubectl):
    done = kubectl.run("exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "out\n")
    assert done.stderr == "err\ncommand terminated with exit code 7\n"
    missing = kubectl.run("exec", "box", "--", "no-such-program")
    assert missing.returncode != 0
    assert 'exec: "no-such-program": executable file not found in $PATH' in missing.stderr
    assert "container nope is not valid for pod box" in kubectl.run("exec", "box", "-c", "nope", "--", "true").stderr
    assert 'pods "nope" not found' in kubectl.run("exec", "nope", "--", "true").stderr


def test_exec_passes_megabytes_both_ways_and_ends_with_its_input(kubectl):
    content = os.urandom(3_000_000)
    command = [kubectl.path, "--kubeconfig", kubectl.file, "exec", "-i", "box", "--", "cat"]
    done = subprocess.run(command, input=content, capture_output=True, timeout=60, check=True)
    assert done.stdout == content


def test_what_a_command_leaves_running_goes_on_and_holds_nothing_up(kubectl):
    started = time.monotonic()
    kubectl("exec", "echo", "--", "sh", "-c", "sleep 987 & echo $! > $PODCHAIN_ROOT/pid")
    assert time.monotonic() - started < 20
    pid = int(kubectl("exec", "echo", "--", "sh", "-c", "cat $PODCHAIN_ROOT/pid"))
    os.kill(pid, 0)


def test_a_terminal(kubectl):
    ours, theirs = pty.openpty()
    command = [
        kubectl.path,
        "--kubeconfig",
        kubectl.file,
        "exec",
        "-it",
        "box",
        "--",
        "sh",
        "-c",
        "test -t 0 && stty size",
    ]
    done = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    output = b""
    try:
        while data := os.read(ours, 4096):
            output += data
    except OSError:
        pass
    finally:
        os.close(ours)
    assert done.wait(20) == 0
    assert output.strip().replace(b" ", b"").isdigit(), output


def test_attach_shows_what_the_container_says_and_passes_input(kubectl):
    command = [kubectl.path, "--kubeconfig", kubectl.file, "attach", "-i", "echo"]
    attached = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        attached.stdin.write(b"one\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == b"got one\n"
    finally:
        attached.kill()
        attached.wait()
    assert "got one" in kubectl("logs", "echo")


def test_cp_there_and_back(kubectl, tmp_path):
    content = os.urandom(200_000)
    (tmp_path / "a").write_bytes(content)
    inside = tmp_path / "inside"
    inside.mkdir()
    kubectl("cp", str(tmp_path / "a"), f"box:{inside}/b")
    assert (inside / "b").read_bytes() == content
    kubectl("cp", f"box:{inside}/b", str(tmp_path / "c"))
    assert (tmp_path / "c").read_bytes() == content


@contextmanager
def forwarding(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield int(process.stdout.readline().split(":")[1].split(" ")[0]), process
    finally:
        process.terminate()
        process.wait()


def get(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_port_forward(kubectl, served_port):
    command = [kubectl.path, "--kubeconfig", kubectl.file, "port-forward", "--address=127.0.0.1", "pod/box"]
    with forwarding([*command, f":{served_port}"]) as (port, _):
        assert [get(port) for _ in range(5)] == [200] * 5
    with forwarding([*command, f":{free_port()}"]) as (port, process):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            get(port)
        said = "".join(process.stdout.readline() for _ in range(2))
        assert "connection refused" in said


def test_our_own_command_line_does_the_same(cluster, served_port):
    assert cluster.podchain("exec", "-i", "box", "--", "cat", stdin="hello") == "hello"
    environment = {**os.environ, "PODCHAIN_HOME": str(cluster.home), "PODCHAIN_NAME": cluster.name}
    command = [Path(sys.executable).parent / "podchain", "port-forward", "box", f":{served_port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        port = int(process.stdout.readline().split(":")[1].split(" ")[0])
        assert [get(port) for _ in range(3)] == [200] * 3
    finally:
        process.terminate()
        process.wait()


def test_top_shows_what_processes_use(kubectl):
    busy = "import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass"
    kubectl("exec", "box", "--", "python3", "-c", busy)
    name, _, memory = kubectl("top", "pod", "box", "--no-headers").split()
    assert name == "box"
    assert 1 <= int(memory.removesuffix("Mi")) < 500
    lines = kubectl("top", "node").splitlines()
    assert lines[0].split() == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    assert lines[1].startswith("node-1")
    assert "echo" in kubectl("top", "pod", "--containers")
    listed = json.loads(kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"))
    assert [item["metadata"]["name"] for item in listed["items"]] == ["box", "echo"]
    assert "not found" in kubectl.run("top", "pod", "nope").stderr


async def messages(kubectl, path, protocols, sent=()):
    """What a WebSocket answers, as (channel, content) with the contents of a channel joined."""
    context = ssl.create_default_context(cafile=next(kubectl.home.glob("*/gateway/ca.crt")))
    url = f"https://{kubectl.address.netloc}/api/v1/namespaces/default/pods/{path}"
    headers = {"Authorization": f"Bearer {kubectl.token}"}
    found: dict[int, bytes] = {}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=protocols, headers=headers, ssl=context) as answer,
    ):
        for message in sent:
            await answer.send_bytes(message)
        async for message in answer:
            found[message.data[0]] = found.get(message.data[0], b"") + message.data[1:]
            if path.startswith("box/portforward") and b"HTTP/" in found[message.data[0]]:
                break
        return answer.protocol, found


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_both_protocols_of_remote_commands(kubectl, protocol):
    path = "box/exec?command=sh&command=-c&command=head+-c+5%3Bexit+3&stdin=true&stdout=true&stderr=true"
    used, found = asyncio.run(messages(kubectl, path, [protocol], [b"\0hello world"]))
    assert used == protocol
    assert found[1] == b"hello"
    outcome = json.loads(found[3])
    assert (outcome["status"], outcome["reason"]) == ("Failure", "NonZeroExitCode")
    assert outcome["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


def test_version_five_ends_input(kubectl):
    path = "box/exec?command=cat&stdin=true&stdout=true"
    _, found = asyncio.run(messages(kubectl, path, ["v5.channel.k8s.io"], [b"\0abc", b"\xff\0"]))
    assert (found[1], json.loads(found[3])["status"]) == (b"abc", "Success")


def test_ports_in_channels(kubectl, served_port):
    path = f"box/portforward?ports={served_port}"
    _, found = asyncio.run(messages(kubectl, path, ["v4.channel.k8s.io"], [b"\0GET / HTTP/1.0\r\n\r\n"]))
    assert found[0][:2] == struct.pack("<H", served_port)
    assert b"200 OK" in found[0]
    assert found[1] == struct.pack("<H", served_port)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("box/exec?command=true&stdout=true", 400),  # no upgrade
        ("box/portforward?ports=80", 400),
        ("nope/exec?command=true&stdout=true", 404),
        ("box/exec?stdout=true", 400),
        ("box/exec?command=true", 400),
        ("box/portforward?ports=x", 400),
    ],
)
def test_what_is_refused_is_refused_with_a_status(kubectl, path, code):
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    headers = {} if path in ("box/exec?command=true&stdout=true", "box/portforward?ports=80") else upgrade
    status, content = kubectl.http("GET", f"/api/v1/namespaces/default/pods/{path}", None, kubectl.token, headers)
    assert status == code
    assert json.loads(content)["kind"] == "Status"


def test_debug_adds_a_container_that_runs_once_and_counts_for_nothing(kubectl):
    name = f"look-{len(str(kubectl.path))}"
    kubectl(
        "debug", "echo", "--image=x", f"--container={name}", "--profile=general", "--", "sh", "-c", "echo seen; exit 3"
    )
    path = f'jsonpath={{.status.ephemeralContainerStatuses[?(@.name=="{name}")].state.terminated.exitCode}}'
    kubectl("wait", f"--for={path}=3", "pod/echo", "--timeout=20s")
    assert kubectl("logs", "echo", "-c", name) == "seen\n"
    assert kubectl("get", "pod", "echo", "--no-headers").split()[1:3] == ["1/1", "Running"]
    assert name in kubectl("describe", "pod", "echo")


def test_resize_shows_the_resources_in_force(kubectl):
    patch = {"spec": {"containers": [{"name": "echo", "resources": {"requests": {"cpu": "20m"}}}]}}
    kubectl("patch", "pod", "echo", "--subresource=resize", "-p", json.dumps(patch))
    path = "jsonpath={.status.containerStatuses[0].resources.requests.cpu}"
    kubectl("wait", f"--for={path}=20m", "pod/echo", "--timeout=20s")
    assert kubectl("get", "pod", "echo", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0"
    refused = kubectl.run("patch", "pod", "echo", "-p", json.dumps(patch).replace("20m", "30m"))
    assert "pod updates may not change fields" in refused.stderr


def test_a_pod_has_its_service_accounts_token(kubectl):
    where = "$PODCHAIN_ROOT/var/run/secrets/kubernetes.io/serviceaccount"
    read = kubectl.run(
        "exec", "box", "--", "sh", "-c", f"for f in namespace token ca.crt; do cat {where}/$f; echo; done"
    )
    namespace, token, authority = read.stdout.split("\n", 2)
    assert namespace == "default"
    assert authority.strip() == kubectl.ca.read_text().strip()
    code, content = kubectl.http("GET", "/api/v1/namespaces/default/pods", token=token)
    assert code == 403
    assert 'User "system:serviceaccount:default:default" cannot list' in json.loads(content)["message"]
