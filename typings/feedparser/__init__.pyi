from collections.abc import Mapping
from typing import Any

class FeedParserDict(dict[str, Any]):
    version: str
    bozo: bool
    entries: list[FeedParserDict]

def parse(
    url_file_stream_or_string: bytes, *, response_headers: Mapping[str, str] | None = None
) -> FeedParserDict: ...
