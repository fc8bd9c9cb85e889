"""The product measured by itself: bench, simulator, replay. Nothing of the product imports it."""
