from bucketlog.problems import Problem as Problem
from bucketlog.reader.explain import explain as explain
from bucketlog.reader.objects import Position as Position
from bucketlog.reader.parse import parse as parse
from bucketlog.reader.privacy import Privacy as Privacy
from bucketlog.reader.scan import Scan as Scan
from bucketlog.reader.scan import read as read
from bucketlog.reader.scan import scan as scan

__version__: str
__all__ = ["Position", "Privacy", "Problem", "Scan", "explain", "parse", "read", "scan"]
