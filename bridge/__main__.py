"""``python -m bridge`` is ``promptlayer-bridge``."""

from bridge.cli import main

main()
