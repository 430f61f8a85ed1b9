"""The trade itself: mails from bytes (`parsing`), to bytes (`composing`), and the new words (`quotes`)."""
