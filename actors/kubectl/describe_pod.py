"""Describing pods and pod templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.meta import controller_of
from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import items_of, of
from actors.apimachinery.tables.duration import age
from actors.kubectl.describe_volume import describe_volumes
from actors.kubectl.description import Description, full_time, truth

_PROBES: Final = (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe"))


def describe_pod(pod: Object, now_s: float) -> Description:
    """All but the events."""
    out = Description()
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    _describe_head(out, pod, spec, status, now_s)
    statuses = _by_name(status.get("containerStatuses"))
    if spec.get("initContainers"):
        init_statuses = _by_name(status.get("initContainerStatuses"))
        describe_containers(out, "Init Containers", spec["initContainers"], init_statuses, "", pod)
    describe_containers(out, "Containers", spec.get("containers") or (), statuses, "", pod)
    if spec.get("ephemeralContainers"):
        ephemeral = _by_name(status.get("ephemeralContainerStatuses"))
        describe_containers(out, "Ephemeral Containers", spec["ephemeralContainers"], ephemeral, "", pod)
    _describe_gates(out, spec, status)
    if status.get("conditions"):
        out.line(0, "Conditions:")
        out.line(1, "Type\tStatus")
        for condition in status["conditions"]:
            out.line(1, f"{condition.get('type')} \t{condition.get('status')} ")
    describe_volumes(out, spec.get("volumes"), "")
    out.line(0, f"QoS Class:\t{status.get('qosClass', '')}")
    out.labels("Node-Selectors", spec.get("nodeSelector"))
    out.several("Tolerations", tolerations_text(spec.get("tolerations")))
    if spec.get("topologySpreadConstraints"):
        out.several("Topology Spread Constraints", [_spread_text(c) for c in spec["topologySpreadConstraints"]])
    return out


def _describe_head(out: Description, pod: Object, spec: Object, status: Object, now_s: float) -> None:
    metadata = pod["metadata"]
    out.line(0, f"Name:\t{metadata['name']}")
    out.line(0, f"Namespace:\t{metadata.get('namespace', '')}")
    if spec.get("priority") is not None:
        out.line(0, f"Priority:\t{spec['priority']}")
    if spec.get("priorityClassName"):
        out.line(0, f"Priority Class Name:\t{spec['priorityClassName']}")
    if spec.get("runtimeClassName"):
        out.line(0, f"Runtime Class Name:\t{spec['runtimeClassName']}")
    if spec.get("serviceAccountName"):
        out.line(0, f"Service Account:\t{spec['serviceAccountName']}")
    node = spec.get("nodeName")
    out.line(0, f"Node:\t{node}/{status.get('hostIP', '')}" if node else "Node:\t<none>")
    if status.get("startTime"):
        out.line(0, f"Start Time:\t{full_time(status['startTime'])}")
    out.labels("Labels", metadata.get("labels"))
    out.annotations(metadata.get("annotations"))
    if metadata.get("deletionTimestamp") and status.get("phase") not in ("Succeeded", "Failed"):
        out.line(0, f"Status:\tTerminating (lasts {age(metadata['deletionTimestamp'], now_s)})")
        out.line(0, f"Termination Grace Period:\t{metadata.get('deletionGracePeriodSeconds', 0)}s")
    else:
        out.line(0, f"Status:\t{status.get('phase', '')}")
    for title in ("reason", "message"):
        if status.get(title):
            out.line(0, f"{title.title()}:\t{status[title]}")
    out.line(0, f"IP:\t{status.get('podIP', '')}")
    if status.get("podIPs"):
        out.line(0, "IPs:")
        for address in status["podIPs"]:
            out.line(1, f"IP:\t{address.get('ip', '')}")
    else:
        out.line(0, "IPs:\t<none>")
    owner = controller_of(pod)
    if owner:
        out.line(0, f"Controlled By:\t{owner['kind']}/{owner['name']}")
    if status.get("nominatedNodeName"):
        out.line(0, f"NominatedNodeName:\t{status['nominatedNodeName']}")


def _describe_gates(out: Description, spec: Object, status: Object) -> None:
    gates = spec.get("readinessGates")
    if not gates:
        return
    out.line(0, "Readiness Gates:")
    out.line(1, "Type\tStatus")
    known = {condition.get("type"): condition.get("status") for condition in status.get("conditions") or ()}
    for gate in gates:
        out.line(1, f"{gate['conditionType']} \t{known.get(gate['conditionType'], '<none>')} ")


def _by_name(statuses: Sequence[Object] | None) -> dict[str, Object]:
    return {status["name"]: status for status in statuses or ()}


def describe_template(out: Description, template: Object, extra_annotation: str = "") -> None:
    """A pod template, below its owner."""
    out.line(0, "Pod Template:")
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    out.labels("Labels", metadata.get("labels"), indent="  ")
    annotations = {**(metadata.get("annotations") or {})}
    if extra_annotation:
        annotations["kubernetes.io/change-cause"] = extra_annotation
    if annotations:
        out.annotations(annotations, indent="  ")
    if spec.get("serviceAccountName"):
        out.line(1, f"Service Account:\t{spec['serviceAccountName']}")
    if spec.get("initContainers"):
        describe_containers(out, "Init Containers", spec["initContainers"], {}, "  ")
    describe_containers(out, "Containers", spec.get("containers") or (), {}, "  ")
    describe_volumes(out, spec.get("volumes"), "  ")
    if spec.get("topologySpreadConstraints"):
        shown = [_spread_text(constraint) for constraint in spec["topologySpreadConstraints"]]
        out.several("Topology Spread Constraints", shown, indent="  ")
    if spec.get("priorityClassName"):
        out.line(1, f"Priority Class Name:\t{spec['priorityClassName']}")
    out.labels("Node-Selectors", spec.get("nodeSelector"), indent="  ")
    out.several("Tolerations", tolerations_text(spec.get("tolerations")), indent="  ")


def template_text(template: Object, cause: str = "") -> str:
    """A pod template as ``rollout history`` shows it: not aligned, as kubectl leaves it."""
    out = Description()
    describe_template(out, template, "" if cause == "<none>" else cause)
    return out.raw()


def describe_containers(
    out: Description,
    label: str,
    containers: Sequence[Object],
    statuses: Mapping[str, Object],
    indent: str,
    pod: Object | None = None,
) -> None:
    """Containers with their states, where there are any."""
    if not containers:
        out.line(0, f"{indent}{label}: <none>")
        return
    out.line(0, f"{indent}{label}:")
    for container in containers:
        status = statuses.get(container["name"])
        _describe_basics(out, container, status, indent)
        for title, field in (("Command", "command"), ("Args", "args")):
            if container.get(field):
                out.line(2, f"{title}:")
                for word in container[field]:
                    for part in str(word).split("\n"):
                        out.line(3, part)
        if status is not None:
            _describe_status(out, status)
        for title, field in (("Limits", "limits"), ("Requests", "requests")):
            amounts = of(container, "resources", field)
            if amounts:
                out.line(2, f"{title}:")
                for name in sorted(amounts):
                    out.line(3, f"{name}:\t{amounts[name]}")
        for title, field in _PROBES:
            if container.get(field):
                out.line(2, f"{title}:\t{probe_text(container[field])}")
        _describe_environment(out, container, pod)
        _describe_mounts(out, container)


def _describe_basics(out: Description, container: Object, status: Object | None, indent: str) -> None:
    out.line(1, f"{' ' if indent else ''}{container['name']}:")
    if status is not None:
        out.line(2, f"Container ID:\t{status.get('containerID', '')}")
    out.line(2, f"Image:\t{container.get('image', '')}")
    if status is not None:
        out.line(2, f"Image ID:\t{status.get('imageID', '')}")
    for title, field in (("Port", "containerPort"), ("Host Port", "hostPort")):
        shown = ", ".join(_port_text(port, field) for port in container.get("ports") or ())
        out.line(2, f"{title}s:\t{shown}" if "," in shown else f"{title}:\t{shown or '<none>'}")


def _port_text(port: Object, field: str) -> str:
    name = f" ({port['name']})" if port.get("name") else ""
    return f"{port.get(field, 0)}/{port.get('protocol', 'TCP')}{name}"


def _describe_status(out: Description, status: Object) -> None:
    _describe_state(out, "State", status.get("state") or {})
    if of(status, "lastState", "terminated"):
        _describe_state(out, "Last State", status["lastState"])
    out.line(2, f"Ready:\t{truth(status.get('ready'))}")
    out.line(2, f"Restart Count:\t{status.get('restartCount', 0)}")


def _describe_state(out: Description, title: str, state: Object) -> None:
    if "running" in state:
        out.line(2, f"{title}:\tRunning")
        out.line(3, f"Started:\t{full_time((state['running'] or {}).get('startedAt'))}")
    elif "terminated" in state:
        terminated = state["terminated"] or {}
        out.line(2, f"{title}:\tTerminated")
        for name in ("reason", "message"):
            if terminated.get(name):
                out.line(3, f"{name.title()}:\t{terminated[name]}")
        out.line(3, f"Exit Code:\t{terminated.get('exitCode', 0)}")
        if terminated.get("signal"):
            out.line(3, f"Signal:\t{terminated['signal']}")
        out.line(3, f"Started:\t{full_time(terminated.get('startedAt'))}")
        out.line(3, f"Finished:\t{full_time(terminated.get('finishedAt'))}")
    else:
        out.line(2, f"{title}:\tWaiting")
        reason = of(state, "waiting", "reason")
        if reason:
            out.line(3, f"Reason:\t{reason}")


def probe_text(probe: Object) -> str:
    """``http-get http://:80/healthz delay=0s timeout=1s period=10s successThreshold=1 failureThreshold=3``."""
    counts = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s successThreshold={probe.get('successThreshold', 1)} "
        f"failureThreshold={probe.get('failureThreshold', 3)}"
    )
    if probe.get("exec"):
        return f"exec [{' '.join(probe['exec'].get('command') or ())}] {counts}"
    if probe.get("httpGet"):
        get = probe["httpGet"]
        path = get.get("path", "")
        path = path if not path or path.startswith("/") else f"/{path}"
        return (
            f"http-get {get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get.get('port', '')}{path} {counts}"
        )
    if probe.get("tcpSocket"):
        socket = probe["tcpSocket"]
        return f"tcp-socket {socket.get('host', '')}:{socket.get('port', '')} {counts}"
    if probe.get("grpc"):
        return f"grpc <pod>:{probe['grpc'].get('port', '')} {probe['grpc'].get('service') or ''} {counts}"
    return f"unknown {counts}"


def _describe_environment(out: Description, container: Object, pod: Object | None) -> None:
    sources = container.get("envFrom")
    if sources:
        out.line(2, "Environment Variables from:")
        for source in sources:
            kind, reference = (
                ("ConfigMap", source["configMapRef"])
                if "configMapRef" in source
                else (
                    "Secret",
                    source.get("secretRef") or {},
                )
            )
            prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
            optional = "true" if reference.get("optional") else "false"
            out.line(3, f"{reference.get('name', '')}\t{kind}{prefix}\tOptional: {optional}")
    variables = container.get("env") or ()
    out.line(2, "Environment:" if variables else "Environment:\t<none>")
    for variable in variables:
        out.line(3, _variable_text(variable, pod))


def _variable_text(variable: Object, pod: Object | None) -> str:
    name, source = variable["name"], variable.get("valueFrom")
    if not source:
        lines = str(variable.get("value", "")).split("\n")
        return f"{name}:\t{lines[0]}" + "".join(f"\n        \t{line}" for line in lines[1:])
    if source.get("fieldRef"):
        reference = source["fieldRef"]
        value = _field_value(pod, reference["fieldPath"]) if pod is not None else ""
        return f"{name}:\t{value} ({reference.get('apiVersion', 'v1')}:{reference['fieldPath']})"
    if source.get("resourceFieldRef"):
        reference = source["resourceFieldRef"]
        return f"{name}:\t{reference.get('divisor', '0')} ({reference['resource']})"
    for field, words in (("secretKeyRef", "in secret"), ("configMapKeyRef", "of config map")):
        if source.get(field):
            reference = source[field]
            optional = "true" if reference.get("optional") else "false"
            return f"{name}:\t<set to the key '{reference['key']}' {words} '{reference['name']}'>\tOptional: {optional}"
    return f"{name}:\t<unknown>"


def _field_value(pod: Object, path: str) -> str:
    """What a downward reference to a pod's metadata says; nothing for what only its node knows."""
    if not path.startswith("metadata."):
        return ""
    name, _, key = path.removeprefix("metadata.").partition("[")
    value = pod["metadata"].get(name, "")
    if key:
        return str((value or {}).get(key.strip("]'\""), ""))
    if isinstance(value, dict):
        return "\n".join(f'{key}="{value[key]}"' for key in sorted(value))
    return str(value)


def _describe_mounts(out: Description, container: Object) -> None:
    mounts: list[Any] = sorted(items_of(container, "volumeMounts"), key=lambda mount: str(mount["mountPath"]))
    out.line(2, "Mounts:" if mounts else "Mounts:\t<none>")
    for mount in mounts:
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f'path="{mount["subPath"]}"')
        out.line(3, f"{mount['mountPath']} from {mount['name']} ({','.join(flags)})")


def tolerations_text(tolerations: Sequence[Object] | None) -> list[str]:
    """Tolerations, one a line: ``key=value:NoExecute op=Exists for 300s``."""
    shown = []
    for toleration in sorted(tolerations or (), key=lambda each: each.get("key", "")):
        text = toleration.get("key", "")
        if toleration.get("value"):
            text += f"={toleration['value']}"
        if toleration.get("effect"):
            text += f":{toleration['effect']}"
        if toleration.get("operator") == "Exists":
            text = f"{text} op=Exists" if text else "op=Exists"
        if toleration.get("tolerationSeconds") is not None:
            text += f" for {toleration['tolerationSeconds']}s"
        shown.append(text)
    return shown


def _spread_text(constraint: Object) -> str:
    from actors.apimachinery.tables.definition import format_selector

    where = f"{constraint['topologyKey']}:{constraint['whenUnsatisfiable']}"
    text = f"{where} when max skew {constraint['maxSkew']} is exceeded"
    if constraint.get("labelSelector"):
        text += f" for selector {format_selector(constraint['labelSelector'])}"
    return text
