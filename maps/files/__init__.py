"""Files: atomic writes, the folder lock, CSV export and resumable run folders."""
