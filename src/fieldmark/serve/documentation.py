"""Examples and words for the API's description (OpenAPI)."""

from typing import Any

from fieldmark.serve.answers import FaultAnswer

DESCRIPTION = """Names what pictures show, says which parts decided, and why it is one class and not another.

Pictures are sent as `multipart/form-data`. Where the service wants a key, send it as `Authorization: Bearer KEY`.
Whatever isn't answered has a body `{"error": {"code", "message", "cure"}}`; 503 and 429 say in `Retry-After` how many
seconds to wait.
"""

MODEL = {"name": "birds", "version": "3f9c1d20ab47"}

_BOX = [96.0, 40.0, 32.0, 24.0]

PREDICTED = {
    "model": MODEL,
    "predictions": [
        {
            "source": "bird.jpg",
            "label": "Osmere Reedchat",
            "probability": 0.93,
            "top": [
                {"label": "Osmere Reedchat", "probability": 0.93},
                {"label": "Fenwick Reedchat", "probability": 0.05},
            ],
            "lineage": ["Reedchat", "Osmere Reedchat"],
            "parts": [{"name": "crown", "presence": 0.98, "evidence": 3.1, "box": _BOX, "map": None}],
            "decision": {
                "known": True,
                "novelty": 0.12,
                "candidates": ["Osmere Reedchat"],
                "rank": "species",
                "name": "Osmere Reedchat",
                "confidence": 0.93,
                "flagged": [],
            },
            "neighbours": [],
            "size": [256, 256],
            "grid": None,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "error": None,
        }
    ],
}

EXPLAINED = {
    "model": MODEL,
    "source": "bird.jpg",
    "label": "Osmere Reedchat",
    "rival": "Fenwick Reedchat",
    "probability": 0.93,
    "rival_probability": 0.05,
    "log_odds": 4.0,
    "bias_difference": 0.1,
    "unexplained": 0.0,
    "marks": [
        {
            "part": "crown",
            "box": _BOX,
            "presence": 0.98,
            "evidence": 3.1,
            "rival_evidence": -0.2,
            "difference": 3.3,
            "removal": {"claimed": -3.3, "measured": -2.9, "elsewhere": -0.2},
            "examples": [],
            "contrast": 3.6,
        }
    ],
    "flip": ["crown"],
    "exact": True,
    "sentence": "Osmere Reedchat and not Fenwick Reedchat: the crown decides (+3.3 of +4.0 log-odds).",
    "size": [256, 256],
    "notes": [],
    "beside": "",
    "alike": [],
}

CLASSES = {
    "model": MODEL,
    "rank_names": ["genus", "species"],
    "classes": [{"name": "Osmere Reedchat", "lineage": ["Reedchat", "Osmere Reedchat"]}],
}

MODELS = {
    "models": [
        {
            **MODEL,
            "default": True,
            "classes": 8,
            "resolution": 96,
            "parts": ["bill", "crown"],
            "exact": True,
            "coverage": 0.9,
            "loaded": "2026-01-31T12:00:00+00:00",
        }
    ],
    "feedback": True,
    "pictures_kept": False,
    "max_files": 16,
    "max_request_bytes": 33554432,
    "max_pixels": 50000000,
}

KEPT = {"id": 17, "picture_kept": False}

RELOADED = {"reloaded": [MODEL], "unchanged": [], "failed": []}

STATE = {"state": "ok"}

#: Status → what it means here.
_MEANINGS = {
    400: "The request is no request, such as a form without an end.",
    401: "No key, or one that isn't known.",
    403: "Another page sent the request, or it isn't allowed here.",
    404: "There is no such model, or nothing here.",
    405: "Another method is wanted.",
    408: "The request came too slowly.",
    413: "Too many bytes or files.",
    422: "A field is missing or wrong, or the picture can't be decoded.",
    429: "Too many requests a minute; wait as `Retry-After` says.",
    503: "The queue is full, or the service is stopping; wait as `Retry-After` says.",
}

_BODY = (400, 401, 403, 404, 405, 408, 413, 422, 429, 503)
_PLAIN = (400, 401, 403, 404, 405, 422, 429, 503)


def described(example: object, *, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return what a route may answer: an example of success, and the errors.

    Args:
        example: of a successful answer.
        body: whether the request has a body.
    """
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": FaultAnswer, "description": _MEANINGS[status]} for status in (_BODY if body else _PLAIN)
    }
    found[200] = {"content": {"application/json": {"example": example}}}
    return found
