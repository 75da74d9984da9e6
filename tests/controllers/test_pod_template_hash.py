"""The pod template hash: the same for templates that mean the same, another one for any other."""

from __future__ import annotations

import copy
import random

from controller_world import template
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.template_hash import (
    POD_TEMPLATE_HASH,
    SAFE_ALPHABET,
    pod_template_hash,
    same_template,
)

names = st.sampled_from(["image", "command", "env", "labels", "resources", "emptyDir", "x"])
values = st.recursive(
    st.one_of(st.text(max_size=3), st.integers(0, 9), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)


def shuffled(value, chance):
    """The same value with the keys of its maps in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, chance)) for key, item in value.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@settings(max_examples=80, deadline=None)
@given(spec=st.dictionaries(names, values, max_size=4), seed=st.integers(0, 100))
def test_order_of_fields_and_the_hash_label_do_not_matter(spec, seed) -> None:
    original = {**template(), "spec": spec}
    other = shuffled(copy.deepcopy(original), random.Random(seed))
    other["metadata"]["labels"][POD_TEMPLATE_HASH] = "abc"
    assert same_template(original, other)
    assert pod_template_hash(original) == pod_template_hash(other)


@settings(max_examples=80, deadline=None)
@given(left=st.dictionaries(names, values, max_size=3), right=st.dictionaries(names, values, max_size=3))
def test_equal_hashes_and_equal_meaning_go_together(left, right) -> None:
    a, b = {**template(), "spec": left}, {**template(), "spec": right}
    assert same_template(a, b) == (pod_template_hash(a) == pod_template_hash(b))


def test_what_is_empty_means_the_same_as_what_is_absent() -> None:
    bare, wordy = template(), template()
    wordy["metadata"].update(creationTimestamp=None, annotations={})
    wordy["spec"].update(nodeSelector={}, volumes=[], nodeName=None)
    assert same_template(bare, wordy)
    assert pod_template_hash(bare) == pod_template_hash(wordy)


def test_an_empty_struct_is_not_absent() -> None:
    with_volume, without = template(), template()
    with_volume["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    without["spec"]["volumes"] = [{"name": "v"}]
    assert not same_template(with_volume, without)


def test_quantities_are_compared_by_amount() -> None:
    one, other, more = template(), template(), template()
    for obj, cpu in ((one, "1"), (other, "1000m"), (more, "1001m")):
        obj["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    assert same_template(one, other)
    assert pod_template_hash(one) == pod_template_hash(other)
    assert not same_template(one, more)


def test_a_collision_count_makes_another_hash() -> None:
    hashes = {pod_template_hash(template(), count) for count in (None, 0, 1, 2)}
    assert len(hashes) == 4


def test_names_are_of_the_safe_alphabet_and_the_same_in_every_process() -> None:
    assert set(pod_template_hash(template())) <= set(SAFE_ALPHABET)
