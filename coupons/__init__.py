"""The coupon engine; a holder is an opaque id, an amount is an int."""
