"""Published networks, and what auditkit says of copies made from them.

Everything is a command that a user would type, in a process of its own, so that its time and its
greatest memory are those that a user would see. `images` has EfficientNet-Lite, `sounds` a pitch
classifier, `trial` runs the commands and prints the table.
"""
