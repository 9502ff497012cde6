"""One file per way to ask a suspect; this page picks one and loads only that."""
