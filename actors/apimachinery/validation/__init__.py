"""What must hold beyond an object's shape: names, references between fields, enumerations, ranges, immutability.

One file a family of kinds. A rule takes the object (after defaults) and gives a list of `FieldError`, in the order and
words of Kubernetes' ``pkg/apis/*/validation``. `actors.apimachinery.strategy` calls them.
"""
