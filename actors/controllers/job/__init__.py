"""The Job controller: runs pods to their end until enough of them have succeeded (``batch/v1``)."""
