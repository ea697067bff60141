"""`python -m bucketlog` is `bucketlog`."""

from bucketlog.cli.main import main

if __name__ == "__main__":
    main()
