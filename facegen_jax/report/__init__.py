"""Results of sweeps: lines, table, page, figures, videos."""
