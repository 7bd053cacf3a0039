"""Column types that peewee has no name for."""

import peewee


class InstantField(peewee.DateTimeField):
    """An instant in whole milliseconds (R2)."""

    field_type = "TIMESTAMPTZ(3)"


class JsonTextField(peewee.TextField):
    """A JSON document kept as the text it came as: no number or key of it is rewritten."""

    # Lower case: peewee takes "JSON" for JSONB, which rewrites.
    field_type = "json"


class JsonBinaryField(peewee.TextField):
    """A JSON document that SQL looks into."""

    field_type = "JSONB"


class BigIdentityField(peewee.BigAutoField):
    """A key that the database counts up."""

    field_type = "BIGINT GENERATED ALWAYS AS IDENTITY"
