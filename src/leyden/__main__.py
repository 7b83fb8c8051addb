"""python -m leyden: the same as the `leyden` command."""

from leyden.cli.main import main

if __name__ == "__main__":
    main()
