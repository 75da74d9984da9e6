"""Whole clusters in the simulated world, and the oracles that watch them."""
