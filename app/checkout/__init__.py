"""Checkout: quotes, orders, payments and refunds; joins points, coupons and money."""
