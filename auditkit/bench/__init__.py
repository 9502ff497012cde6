"""`auditkit bench`: compares fingerprint methods on models of known kind."""
