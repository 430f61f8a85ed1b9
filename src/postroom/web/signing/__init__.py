"""The door of the pages: signing in with password, second factor or identity provider, and what keeps strangers out."""
