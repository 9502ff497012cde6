"""Many suspects against many bundles: found, claimed in a ledger, examined by workers.

`scan` is the whole; `ledger` is where it is kept, and what later reports are read from.
"""
