"""Delivery reports, receipts and complaints: reading what servers say of mails of ours."""
