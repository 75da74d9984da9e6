"""The node lifecycle controller: notices dead nodes, taints them, evicts their pods and clears up after lost nodes."""
