"""The HTTP door: a blueprint per audience, one table of problems, one edge."""
