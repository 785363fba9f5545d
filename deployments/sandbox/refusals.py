"""What Botify says no with (botify-api.md §7.3)."""

from enum import Enum


class Code(Enum):
    """An error code of botify-api.md §7.3 with its HTTP status and its words."""

    UNKNOWN = (1000, 500, "Unknown error")
    NOT_AUTHORIZED = (1001, 401, "Not Authorized")
    PERMISSION_DENIED = (1002, 403, "Permission denied")
    ANALYSIS_NOT_FOUND = (1004, 404, "Analysis was not found")
    USER_NOT_FOUND = (1007, 404, "User not found")
    PROJECT_NOT_FOUND = (1010, 404, "Project not found")
    BADLY_FORMATTED_REQUEST = (1020, 400, "Badly formatted request")
    QUERY_NOT_FOUND = (1021, 400, "Query not found on request")
    BADLY_FORMATTED_QUERY = (1022, 400, "Badly formatted queries")
    QUERY_NOT_AN_OBJECT = (1024, 400, "Query parameter should be an object")
    FIELD_DOES_NOT_EXIST = (1029, 400, "Field does not exist")
    JOB_NOT_FOUND = (1000, 404, "Job not found")
    """The documents name no code for it."""
    TASK_FAILED = (1037, 500, "The requested task failed")
    METHOD_NOT_ALLOWED = (1039, 405, "Method not allowed")
    QUERY_CANNOT_BE_EXECUTED = (1044, 400, "Query can not be executed")
    EXPORT_ALREADY_RUNNING = (1052, 400, "A CSV export is already running")
    TOO_MANY_REQUESTS = (1053, 429, "Too many requests")
    BADLY_FORMATTED_REGEX = (1057, 400, "Badly formatted regex")
    ADVANCED_EXPORT_ALREADY_RUNNING = (1058, 400, "An advanced export is already running")

    def __init__(self, number: int, status: int, words: str) -> None:
        self.number = number
        self.status = status
        self.words = words

    @classmethod
    def of_status(cls, status: int) -> "Code":
        """The code that fits an HTTP status best."""
        by_status = {401: cls.NOT_AUTHORIZED, 403: cls.PERMISSION_DENIED, 404: cls.PROJECT_NOT_FOUND}
        by_status |= {400: cls.BADLY_FORMATTED_REQUEST, 405: cls.METHOD_NOT_ALLOWED, 429: cls.TOO_MANY_REQUESTS}
        return by_status.get(status, cls.UNKNOWN)

    @classmethod
    def of_number(cls, number: int) -> "Code":
        """The code with this number. Raises ValueError."""
        for code in cls:
            if code.number == number:
                return code
        raise ValueError(f"no error code {number} is known here; there are: {', '.join(str(c.number) for c in cls)}")


class RefusalError(Exception):
    """A request that the API refuses; becomes the error envelope."""

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code.words}: {detail}" if detail else code.words)
        self.code = code
