"""One figure per file: numbers in; the drawing, its caption and the table of drawn numbers out."""
