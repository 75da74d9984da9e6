"""Signs approved CertificateSigningRequests with the cluster's certificate authority."""
