"""What a recorded run of the store must satisfy: etcd's guarantees for watches, and linearizability."""
