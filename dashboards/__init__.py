"""Reports: statistics, tables, figures and the page, from cells alone."""
