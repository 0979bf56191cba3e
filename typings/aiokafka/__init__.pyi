"""The part of aiokafka, which Faust rests on, that narrawatch names."""
