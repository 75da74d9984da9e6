"""The processes of the control plane."""
