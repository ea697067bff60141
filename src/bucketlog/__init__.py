"""bucketlog: complete S3 server access logging, and the best reader of such logs."""

__version__ = "0.1.0"
