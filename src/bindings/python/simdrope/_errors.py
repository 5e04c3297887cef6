"""The exceptions that simdrope's statuses become. Each is also the built-in one that means the same."""


class Error(Exception):
    """What a call of simdrope failed with; its message names the argument and its values."""


class InvalidArgument(Error, ValueError):
    """An argument contradicts itself or another one."""


class OutOfRange(Error, IndexError):
    """A position has no row in the table, or a slot none in the cache."""


class Unsupported(Error, NotImplementedError):
    """Well-formed, but beyond a stated limit."""


class OutOfMemory(Error, MemoryError):
    """No memory was left."""


class BadFile(Error, ValueError):
    """A file is missing, truncated or malformed."""


_OF_STATUS = {
    "INVALID_ARGUMENT": InvalidArgument,
    "OUT_OF_RANGE": OutOfRange,
    "UNSUPPORTED": Unsupported,
    "OUT_OF_MEMORY": OutOfMemory,
    "BAD_FILE": BadFile,
}


def for_status(status: str, message: str) -> Error:
    return _OF_STATUS.get(status, Error)(message)
