"""The API server as its clients see it: calls, informers, work queue, events, leases, and the controllers' loop."""
