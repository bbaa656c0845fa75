"""Entry of `./reacher`; needs nothing but the standard library."""

import signal
import sys

if __name__ == "__main__":
    # An interrupt during the imports just ends the script; later on `main` says what it means.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bootstrap.cli import main

    sys.exit(main(sys.argv[1:]))
