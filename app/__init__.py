"""The product: the rooms of the business and its doors, HTTP and the clock."""
