"""Plain manifests, without a script, do in `sim` what they would do elsewhere."""

from __future__ import annotations

import pytest

from actors.testing.cluster_under_test import ClusterUnderTest

INIT = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: setup, image: "busybox:1"}]
  containers: [{name: web, image: "nginx:1"}]
"""

ONCE = """
apiVersion: v1
kind: Pod
metadata: {name: once}
spec:
  restartPolicy: POLICY
  containers: [{name: work, image: "busybox:1"}]
"""


def test_init_containers_end_and_the_pod_runs(podchain: ClusterUnderTest) -> None:
    podchain.apply(INIT)
    podchain.assert_converges(lambda: podchain.get("pods", "web")["status"]["phase"] == "Running")
    (status,) = podchain.get("pods", "web")["status"]["initContainerStatuses"]
    assert status["state"]["terminated"]["reason"] == "Completed"


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_pods_that_are_not_restarted_complete(podchain: ClusterUnderTest, policy: str) -> None:
    podchain.apply(ONCE.replace("POLICY", policy))
    podchain.assert_converges(lambda: podchain.get("pods", "once")["status"]["phase"] == "Succeeded")


def test_other_pods_run_on(podchain: ClusterUnderTest) -> None:
    podchain.apply(ONCE.replace("POLICY", "Always"))
    podchain.run_for(60)
    assert podchain.get("pods", "once")["status"]["phase"] == "Running"
