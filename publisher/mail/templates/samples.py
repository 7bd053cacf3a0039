"""Reads the sample of a template: the variables that it is rendered with for `preview` and `check`."""

import json
from collections.abc import Mapping

from publisher.mail.messages.faults import TemplateFault
from publisher.mail.templates.folder import SAMPLE, TemplateFolder

# Of the form of a true one: a template may hold it in its links.
SAMPLE_DELIVERY = "00000000-0000-5000-8000-000000000000/email:user:sample"


def read_sample(folder: TemplateFolder, template_id: str, name: str) -> Mapping[str, object] | TemplateFault | None:
    """Returns the variables of `<template id>/<locale>/sample.json`, or else of `<template id>/sample.json`.

    None: there is no sample. name: of the locale's folder. A sample that is no JSON object is a fault.
    """
    tried = (f"{template_id}/{name}/{SAMPLE}", f"{template_id}/{SAMPLE}")
    file = next((each for each in tried if each in folder.files), None)
    if file is None:
        return None
    try:
        sample = json.loads((folder.path / file).read_bytes())
    except (OSError, ValueError, RecursionError):
        sample = None
    return sample if isinstance(sample, dict) else TemplateFault(f"{file}: it is no JSON object")
