"""Apache Kafka on this machine, without Docker: the jars, the files of a node, and the running broker."""
