"""etcd's data model: revisions, transactions, watch log, compaction, leases, durability."""
