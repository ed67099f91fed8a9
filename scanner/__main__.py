"""`python -m scanner` is `mongosweep`."""

import sys

from scanner.cli import main

sys.exit(main())
