"""A merchant's statement to hand on: one frozen value, written as HTML, PDF or a spreadsheet."""
