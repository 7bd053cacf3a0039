"""An intent as people write it: a JSON object whose keys are the stream's fields without `_json` (spec section 9)."""

import json
from collections.abc import Mapping

_JSON_FIELDS = ("recipients", "channels", "payload")


def fields_of_json(line: str) -> dict[str, str] | str:
    """The stream's fields of one JSON object, or why it is none.

    Values of recipients, channels and payload become JSON text; numbers become digits; null leaves a field out.
    Whether the fields make a valid intent is for `parse_intent` to say.
    """
    try:
        value = json.loads(line)
    except RecursionError:
        return "is nested too deeply"
    except ValueError as error:
        return f"is not valid JSON: {error}"
    if not isinstance(value, dict):
        return "must be a JSON object"
    return _fields(value)


def _fields(intent: Mapping[str, object]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for key, value in intent.items():
        if value is None:
            continue
        if key in _JSON_FIELDS:
            fields[f"{key}_json"] = json.dumps(value)
        else:
            fields[key] = value if isinstance(value, str) else json.dumps(value)
    return fields
