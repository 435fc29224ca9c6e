"""Results of sweeps: result files, results.csv, report.html, figures, videos."""
