"""kubectl's commands. `COMMANDS` says where each is; a command's module is imported when it is called."""

from __future__ import annotations

from typing import Final

_HERE: Final = "actors.kubectl"

COMMANDS: Final[dict[str, str]] = {
    "annotate": f"{_HERE}.label:annotate_command",
    "api-resources": f"{_HERE}.api_resources:api_resources_command",
    "api-versions": f"{_HERE}.api_resources:api_versions_command",
    "apply": f"{_HERE}.apply:apply_command",
    "attach": f"{_HERE}.execute:attach_command",
    "cluster-info": f"{_HERE}.cluster_info:cluster_info_command",
    "cordon": f"{_HERE}.cordon:cordon_command",
    "create": f"{_HERE}.create:create_group",
    "delete": f"{_HERE}.delete:delete_command",
    "describe": f"{_HERE}.describe:describe_command",
    "diff": f"{_HERE}.diff:diff_command",
    "drain": f"{_HERE}.drain:drain_command",
    "edit": f"{_HERE}.edit:edit_command",
    "events": f"{_HERE}.events:events_command",
    "exec": f"{_HERE}.execute:exec_command",
    "explain": f"{_HERE}.explain:explain_command",
    "get": f"{_HERE}.get:get_command",
    "kubeconfig": f"{_HERE}.kubeconfig:kubeconfig_command",
    "label": f"{_HERE}.label:label_command",
    "logs": f"{_HERE}.logs:logs_command",
    "patch": f"{_HERE}.patch:patch_command",
    "port-forward": f"{_HERE}.port_forward:port_forward_command",
    "replace": f"{_HERE}.replace:replace_command",
    "rollout": f"{_HERE}.rollout:rollout_group",
    "scale": f"{_HERE}.scale:scale_command",
    "set": f"{_HERE}.set_image:set_group",
    "simulate": f"{_HERE}.simulate:simulate",
    "taint": f"{_HERE}.taint:taint_command",
    "trace": f"{_HERE}.trace:trace",
    "uncordon": f"{_HERE}.cordon:uncordon_command",
    "wait": f"{_HERE}.wait:wait_command",
}
"""Command name to ``module:attribute`` of its click command or group."""
