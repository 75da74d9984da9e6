"""The node lifecycle controller: notices nodes that fell silent, taints them, evicts and clears up their pods."""
