"""The commands that act on the cluster's processes: ``up``, ``down``, ``ps``, ``actor-logs``."""
