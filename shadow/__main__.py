"""`python -m shadow`."""

from shadow.cli import main

main()
