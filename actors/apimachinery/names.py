"""Names of objects: what each kind allows, and names made from ``generateName``.

faults = name_faults(resource, "My Pod")           # in Kubernetes' words; empty when it is fine
name = generated_name("web-5d4f-", "req-7#0/1")    # five characters appended, the same ones for the same seed
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from actors.apimachinery.label_syntax import check_dns_label, check_dns_subdomain, check_path_segment
from actors.apimachinery.resources import Resource

#: Kubernetes' alphabet for random suffixes: no vowels and nothing that looks like another, so no bad words.
SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH: Final = 5
GENERATED_LENGTH_MAX: Final = 63
CRON_JOB_NAME_MAX: Final = 52

Check = Callable[[str], tuple[str, ...]]


def _check_cron_job(name: str) -> tuple[str, ...]:
    faults = check_dns_subdomain(name)
    if len(name) > CRON_JOB_NAME_MAX:
        faults = (*faults, f"must be no more than {CRON_JOB_NAME_MAX} characters")
    return faults


_CHECKS: Final[Mapping[str, Check]] = {
    "v1/namespaces": check_dns_label,
    "v1/services": check_dns_label,
    "apps/v1/statefulsets": check_dns_label,
    "batch/v1/cronjobs": _check_cron_job,
    "rbac.authorization.k8s.io/v1/roles": check_path_segment,
    "rbac.authorization.k8s.io/v1/rolebindings": check_path_segment,
    "rbac.authorization.k8s.io/v1/clusterroles": check_path_segment,
    "rbac.authorization.k8s.io/v1/clusterrolebindings": check_path_segment,
    "certificates.k8s.io/v1/clustertrustbundles": check_path_segment,
    "certificates.k8s.io/v1beta1/clustertrustbundles": check_path_segment,
    "networking.k8s.io/v1/ipaddresses": check_path_segment,
}


def name_faults(resource: Resource, name: str, *, is_prefix: bool = False) -> tuple[str, ...]:
    """What is wrong with a name of this kind; a prefix may end in a dash, since more follows."""
    if is_prefix and len(name) > 1 and name.endswith("-"):
        name = name[:-1] + "a"
    return _CHECKS.get(resource.key, check_dns_subdomain)(name)


def generated_name(prefix: str, seed: str) -> str:
    """A name from ``generateName``: the prefix, shortened to leave room, and five characters that follow from `seed`.

    ``web-`` becomes ``web-x7k2p``. The API server's seed is the operation's id, so that an operation that is delivered
    twice finds its own object the second time.
    """
    number = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest())
    suffix = []
    for _ in range(SUFFIX_LENGTH):
        number, digit = divmod(number, len(SUFFIX_ALPHABET))
        suffix.append(SUFFIX_ALPHABET[digit])
    return prefix[: GENERATED_LENGTH_MAX - SUFFIX_LENGTH] + "".join(suffix)
