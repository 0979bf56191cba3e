class KafkaError(RuntimeError):
    retriable: bool

class MessageSizeTooLargeError(KafkaError): ...
