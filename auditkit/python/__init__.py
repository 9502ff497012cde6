"""What users call from Python: fingerprint, twins, check and load.

It is to Python what `auditkit.commands` is to the command line: it takes what users have, such as a
torch module, arrays or a path, calls `auditkit.api`, and shows what comes of it.
"""
