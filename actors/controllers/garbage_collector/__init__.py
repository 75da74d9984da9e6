"""The garbage collector: deletes what has lost its owners, and carries out foreground deletion and orphaning."""
