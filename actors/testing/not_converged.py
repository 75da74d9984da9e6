"""What a cluster under test fails with."""

from __future__ import annotations


class NotConverged(AssertionError):
    """What should have come about did not, or did not last."""
