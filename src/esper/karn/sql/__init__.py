"""Runs as tables in DuckDB: a view of each event, and views that join them.

database: opens runs and answers queries.
log_files: which files of a run DuckDB reads itself, and which runs go through the reader.
exported: the files of an export, in place of the logs.
connection: the locked DuckDB, and its tables of folders, tags and events that went through the reader.
view_scripts: the statements that create the views.
statement: accepts a query if it is one SELECT that reads the views only.
limits: ends a query after a time, or at Ctrl-C.
answer: rows and columns of an answer, as text, CSV, JSON or Parquet.
row_schema: the JSON Schema of the rows of a view.
"""
