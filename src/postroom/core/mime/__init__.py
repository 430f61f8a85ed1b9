"""The trade itself: mails from bytes (`parsing`) and to bytes (`composing`), and what is new in a reply (`quotes`)."""
