"""The pages: each has a `PAGE`, what it shows for a query, and its callbacks."""
