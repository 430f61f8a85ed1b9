"""Blobs: attachments and large raw mails, content-addressed."""
