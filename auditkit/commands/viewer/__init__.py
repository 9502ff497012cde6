"""The page of `auditkit view`: `shelf` reads a ledger, `pages` shows it, `server` serves it."""
