"""The name of the JSON that `report` writes and `compare` reads."""

SCHEMA = "posecli-bench/1"
