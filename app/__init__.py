"""The product: the rooms of the business and its doors, HTTP and the clock."""

VERSION = "0.1.0"
