"""Kubernetes' REST API over HTTPS, for kubectl and every other Kubernetes client. Needs the extra `gateway`."""
