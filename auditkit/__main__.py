"""`python -m auditkit`, and the command `auditkit`.

Until a command begins, Ctrl-C ends the process without a word: there is nothing to tidy up, and
Python would print where in the imports it was.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from auditkit.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
