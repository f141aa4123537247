"""Documents put in order by what they say about a query."""
