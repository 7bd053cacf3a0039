"""The numbers in paths."""

from starlette.convertors import IntegerConvertor


class RowNumber(IntegerConvertor):
    """The number of a row, of as many digits as PostgreSQL has for one: a path with a longer one leads nowhere."""

    regex = "[0-9]{1,18}"
