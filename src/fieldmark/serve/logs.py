"""One JSON object a line: what was asked and how it went, never what a picture shows or is called."""

import json
import logging
from datetime import UTC, datetime
from typing import TextIO

#: The logger of everything in this package.
LOGGER = "fieldmark.serve"


class JsonLines(logging.Formatter):
    """Writes a record as JSON: time, level, event, and the facts that it came with."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        facts = getattr(record, "facts", {})
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **facts,
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def log_to(stream: TextIO, *, quiet: bool = False) -> logging.Handler:
    """Write the service's log to a stream; return what writes, which ``logging`` can take away again.

    Args:
        stream: where to.
        quiet: only warnings and errors.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name in (LOGGER, "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING if quiet or name != LOGGER else logging.INFO)
        logger.propagate = False
    return handler
