"""Members of the district: identity, enrolment, memberships of merchants, privacy."""
