"""What commands print: bar (progress), table, figures (sizes, times) and terminal (what a console can show)."""
