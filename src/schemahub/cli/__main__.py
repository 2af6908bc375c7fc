"""`python -m schemahub.cli` is `schemahub`."""

from schemahub.cli.main import main

if __name__ == "__main__":
    main()
