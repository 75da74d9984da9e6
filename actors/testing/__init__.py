"""Clusters inside tests: a pytest plugin for people who write controllers. `actors.testing.plugin` has the fixtures."""
