import ssl

class AIOKafkaConnection:
    def close(self) -> object: ...

async def create_conn(
    host: str,
    port: int,
    *,
    client_id: str = ...,
    ssl_context: ssl.SSLContext | None = None,
    security_protocol: str = ...,
    sasl_mechanism: str | None = None,
    sasl_plain_username: str | None = None,
    sasl_plain_password: str | None = None,
) -> AIOKafkaConnection: ...
