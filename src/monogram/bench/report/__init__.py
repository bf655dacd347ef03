"""A run shown to people: tables, and one page that needs nothing from outside; made from its raw outputs."""
