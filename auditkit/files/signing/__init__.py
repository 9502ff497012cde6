"""Signatures: who stands behind a bundle, an evidence file, a report or a journal, and since when.

`keys` holds Ed25519 keys, `envelope` the DSSE envelope, `statement` what is signed of each kind of
file, `signed` the envelope beside a file, `stamps` the time stamps beside that, `sealing` the seal
within a journal (docs/evidence.md).
"""
