"""The namespace controller: furnishes new namespaces and empties those that are being deleted."""
