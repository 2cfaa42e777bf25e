"""How each output language is written safely."""
