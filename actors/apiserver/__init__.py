"""The API server: Kubernetes' verbs over the store, and watch streams over its log. `actor` has the map of the parts."""
