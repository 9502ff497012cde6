"""Shared by the adapters of remote suspects: address checks, secrets, HTTP client, encodings."""
