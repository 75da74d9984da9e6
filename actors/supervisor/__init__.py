"""Processes: one supervisor a cluster forks every actor, watches it, restarts it, and takes everything down with it."""
