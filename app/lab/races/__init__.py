"""Races: many who want what there is too little of, at once, and exactly so much afterwards."""
