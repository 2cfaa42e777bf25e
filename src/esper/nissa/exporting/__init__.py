"""Exporting: writes the events of runs into tables of files that query engines and data frame libraries read."""
