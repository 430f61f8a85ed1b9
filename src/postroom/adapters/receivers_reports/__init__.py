"""Files with receivers' reports: unpacked within bounds, looked over, and read by parsedmarc."""
