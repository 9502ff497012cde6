"""A model behind an API on this machine: `auditkit serve`."""
