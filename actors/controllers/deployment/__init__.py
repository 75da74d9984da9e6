"""The Deployment controller: writes ReplicaSets so that pods move to the newest template at the pace asked for."""
