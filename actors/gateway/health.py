"""``/healthz``, ``/livez`` and ``/readyz``: all checks, or one of them, briefly or one a line with ``?verbose``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

#: Is the gateway itself; that it answers is the proof.
PING: Final = "ping"
#: Is the way to the API server, and from there to the store.
ETCD: Final = "etcd"
PATHS: Final = ("/healthz", "/livez", "/readyz")


def checks_of(path: str) -> tuple[str, ...] | None:
    """The checks that a path asks for; None when it isn't a health check's. Being alive needs no API server."""
    for prefix in PATHS:
        if path == prefix:
            return (PING,) if prefix == "/livez" else (PING, ETCD)
        name = path.removeprefix(prefix + "/")
        if name != path:
            return (name,) if name in (PING, ETCD) else None
    return None


def health_report(path: str, results: Mapping[str, bool], *, verbose: bool, excluded: Iterable[str]) -> tuple[int, str]:
    """Status code and text of the answer (``healthz.handleRootHealth``)."""
    left_out = set(excluded)
    lines: list[str] = []
    failed = False
    for name, ok in results.items():
        if name in left_out:
            lines.append(f"[+]{name} excluded: ok")
        elif ok:
            lines.append(f"[+]{name} ok")
        else:
            lines.append(f"[-]{name} failed: reason withheld")
            failed = True
    unknown = sorted(left_out - set(results))
    if unknown:
        names = ", ".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
    name = path.strip("/").split("/")[0]
    if failed:
        return 500, "\n".join([*lines, f"{name} check failed", ""])
    if verbose:
        return 200, "\n".join([*lines, f"{name} check passed", ""])
    return 200, "ok"
