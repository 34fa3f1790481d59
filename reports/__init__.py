"""Reports: one page, its charts and its tables, from what a bundle holds."""
