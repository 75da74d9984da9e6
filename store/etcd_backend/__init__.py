"""The store with a real etcd behind it (see docs/etcd-backend.md)."""
