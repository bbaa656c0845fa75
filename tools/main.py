"""The entry point of `./reacher`; it needs only the standard library."""

import signal
import sys

if __name__ == "__main__":
    # An interrupt during the imports ends the script silently; `main` handles later ones.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bootstrap.cli import main

    sys.exit(main(sys.argv[1:]))
