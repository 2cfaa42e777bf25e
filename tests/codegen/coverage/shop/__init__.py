"""The code of a shop, which emits and reads the events of shop.yaml."""
