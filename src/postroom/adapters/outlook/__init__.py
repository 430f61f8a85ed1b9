"""Reads mails that Outlook saved as files (.msg), in a process of their own."""
