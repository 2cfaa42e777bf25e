"""The growth campaign: grown networks against static ones of equal parameters or equal cost, over paired seeds."""
