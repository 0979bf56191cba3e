"""The sample stream that ships with narrawatch: five days of invented comments, with labels."""
