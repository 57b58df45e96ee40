"""The REST side of the hub, one module per noun."""
