AVAILABLE_LANGUAGES: list[str]
LANGUAGE_MAPPING: dict[str, str]

def get_stop_words(language: str, *, cache: bool = ...) -> list[str]: ...
