class UserScramCredentialUpsertion:
    def __init__(
        self,
        user: str,
        mechanism: str,
        password: str,
        iterations: int | None = None,
        salt: bytes | None = None,
    ) -> None: ...
