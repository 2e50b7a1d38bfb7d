"""``python -m fieldmark``, which is also how ``torchrun -m fieldmark`` starts its processes."""

from fieldmark.cli.main import main

if __name__ == "__main__":
    main()
