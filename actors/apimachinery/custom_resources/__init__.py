"""Custom resources: what a CustomResourceDefinition says, as pure functions.

``definition`` makes resources of a stored CRD; ``structural_schema`` and ``crd_validation`` judge the CRD itself;
``pruning``, ``defaulting``, ``value_validation`` and ``rules`` do to a custom object what its schema says; ``naming``
settles who may have which names (`tables.custom_resources` makes its table).
"""
