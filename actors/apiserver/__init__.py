"""The API server: Kubernetes' verbs over the store, and watch streams over its log. See `actor` for the parts."""
