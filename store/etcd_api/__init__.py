"""etcd's gRPC API over the store. Needs the extra `etcd` (grpcio, protobuf)."""
