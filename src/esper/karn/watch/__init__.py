"""The view of runs on a terminal, `esper watch`: panels over the story of a run, and a screen with the details of each row."""
