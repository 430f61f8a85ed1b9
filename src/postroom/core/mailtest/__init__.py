"""The mail test: what of a mail makes receivers trust or distrust it, with points, reasons and cures; a score from 0 to 10."""
