"""Test settings: timing never decides, and PODCHAIN_LONG=1 runs many more examples.

Tests of planted bugs (tests/planted) set PODCHAIN_EXAMPLES and PODCHAIN_PLANTED.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

LONG = bool(os.environ.get("PODCHAIN_LONG"))

settings.register_profile(
    "podchain",
    deadline=None,
    max_examples=int(os.environ.get("PODCHAIN_EXAMPLES", 1000 if LONG else 50)),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
#: Where a failure is expected its smallest form is of no interest, and it is to come at the same example every time.
settings.register_profile(
    "planted",
    settings.get_profile("podchain"),
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
)
settings.load_profile("planted" if os.environ.get("PODCHAIN_PLANTED") else "podchain")

#: Which client can do what, as the tests marked `feature` found: ``client\tfeature`` to whether all of them passed.
_found: dict[str, bool] = {}
#: Where that is written when the run has ended.
MATRIX = os.environ.get("PODCHAIN_CLIENT_MATRIX")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "feature(name): what of a client is tried; a row of docs/clients.md")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties:
        if name == "client" and (report.when == "call" or report.failed):
            _found[value] = _found.get(value, True) and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    if MATRIX and _found and not hasattr(session.config, "workerinput"):
        Path(MATRIX).write_text(client_matrix(_found))


def client_matrix(found: dict[str, bool]) -> str:
    """The page docs/clients.md."""
    pairs = {tuple(key.split("\t")): passed for key, passed in found.items()}
    clients = sorted({client for client, _ in pairs})
    features = sorted({feature for _, feature in pairs})
    lines = [
        "# Clients, and what they can do",
        "",
        "Written by the tests in `tests/clients`, each against a live cluster, on a run with `PODCHAIN_CLIENT_MATRIX`",
        "set to this file. `yes`: all of its tests passed; `NO`: one failed; empty: not tried with that client.",
        "",
        f"| | {' | '.join(clients)} |",
        f"|---|{'---|' * len(clients)}",
    ]
    for feature in features:
        cells = [{True: "yes", False: "NO", None: ""}[pairs.get((client, feature))] for client in clients]
        lines.append(f"| {feature} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
