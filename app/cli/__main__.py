"""`python -m app.cli`, which `.venv/bin/plaza` calls."""

from app.cli import main

main(prog_name="plaza")
