"""Report: a run, or several, as one self-contained page for a browser, as Markdown, and as figures."""
