"""What teaching assistants and instructors run: build, grade, report."""

import sys

# jsonschema, which nbformat imports, would compile a grammar of IRIs that nobody asks for: 1.4 s of each start.
sys.modules.setdefault("rfc3987_syntax", None)
