"""Fingerprint methods, one file each: ways to find points that only the owner and its copies share.

Each file's one public object is a `Method` (see `base.py`), and the file's name is the method's
name on the command line.
"""

SHARED = ("base", "making", "measuring", "recording", "regenerating", "twins")
"""The files of this folder that are not plug-ins."""
