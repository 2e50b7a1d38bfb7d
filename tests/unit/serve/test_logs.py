import io
import json
import logging

from fieldmark.serve.logs import LOGGER, log_to


def test_the_log_is_one_json_object_a_line() -> None:
    stream = io.StringIO()
    handler = log_to(stream)
    try:
        logger = logging.getLogger(LOGGER)
        logger.info("request", extra={"facts": {"status": 200, "caller": "anna\nforged"}})
        try:
            raise ValueError("oh")
        except ValueError:
            logger.exception("bug")
    finally:
        for name in (LOGGER, "uvicorn.error"):
            logging.getLogger(name).removeHandler(handler)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["status"], first["level"]) == ("request", 200, "info")
    assert "ValueError: oh" in second["trace"]
