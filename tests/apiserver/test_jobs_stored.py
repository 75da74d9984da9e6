"""A Job without a selector gets its own, made from its uid, as the API server does it."""

from __future__ import annotations

from actors.testing.cluster_under_test import ClusterUnderTest

JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: pi}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: pi, image: "perl:5"}]
"""


def test_a_job_selects_its_own_pods(podchain: ClusterUnderTest) -> None:
    podchain.apply(JOB)
    job = podchain.get("jobs", "pi")
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/controller-uid"] == uid
    assert labels["job-name"] == "pi"
