"""The trade itself: mails from bytes (`parsing`), to bytes (`composing`), and what a reply adds (`quotes`)."""
