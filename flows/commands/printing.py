"""What every command prints the same way."""

import json

from pydantic import BaseModel


def print_json(answer: BaseModel) -> None:
    """Print one JSON object on one line: the last of stdout."""
    print(json.dumps(answer.model_dump(mode="json")), flush=True)
