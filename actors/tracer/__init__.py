"""The tracer: keeps what the fabric's tap tells of every hop, and rebuilds the chain of causes of an object."""
