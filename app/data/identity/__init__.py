"""Who is who: ids of people, what links them, and the key each person's data is encrypted with."""
