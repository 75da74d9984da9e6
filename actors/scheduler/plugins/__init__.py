"""The scheduler's plugins: pure filters and scores, each named as in Kubernetes."""
