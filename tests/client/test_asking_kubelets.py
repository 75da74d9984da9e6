"""Which actor answers for a node, and for which containers it has nothing to tell yet."""

import pytest

from actors.apimachinery.status import ApiError
from actors.client.kubelet import KUBELET_ACTOR, check_has_run, kubelet_of_node


def pod(field: str, **status: object) -> dict[str, object]:
    return {"metadata": {"name": "p"}, "status": {field: [{"name": "other"}, {"name": "c", **status}]}}


def test_a_node_has_its_own_kubelet_unless_it_names_another() -> None:
    assert kubelet_of_node({"metadata": {"name": "n"}}) == "kubelet-n"
    assert kubelet_of_node({"metadata": {"name": "n", "annotations": {KUBELET_ACTOR: "many"}}}) == "many"


@pytest.mark.parametrize("field", ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"])
@pytest.mark.parametrize(
    ("waiting", "reason"), [({"reason": "ErrImagePull"}, "ErrImagePull"), ({}, "ContainerCreating")]
)
def test_a_container_that_has_never_run_is_refused_with_its_reason(field, waiting, reason) -> None:
    with pytest.raises(ApiError) as refused:
        check_has_run(pod(field, state={"waiting": waiting}), "c")
    assert refused.value.status["code"] == 400
    assert refused.value.status["message"] == f'container "c" in pod "p" is waiting to start: {reason}'


@pytest.mark.parametrize(
    "status",
    [
        {"state": {"running": {}}},
        {"state": {"terminated": {"exitCode": 1}}},
        {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 1},
        {},
    ],
)
def test_a_container_that_has_run_or_may_have_is_let_pass(status) -> None:
    check_has_run(pod("containerStatuses", **status), "c")
    check_has_run({"metadata": {"name": "p"}}, "c")
