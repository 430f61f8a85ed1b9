"""What is fetched from addresses that strangers wrote."""
