"""The ReplicaSet controller: keeps a number of pods of one template running."""
