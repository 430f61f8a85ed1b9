"""What is wrong with a mailbox, and what to do: the sentences of `mailbox_errors` and of the alarms, a cause and a cure each (law 4)."""

from __future__ import annotations

from postroom.core.terms.reasons import catalogue

catalogue(
    {
        "fault.mailbox_none": "The mailbox can be read.",
        "cure.mailbox_none": "Nothing is to be done.",
        "fault.mailbox_host_unknown": "There is no host {host} in the DNS.",
        "cure.mailbox_host_unknown": "Check the spelling of the host; the name stands in the provider's instructions.",
        "fault.mailbox_refused": "The connection was refused: nothing listens on port {port} of {host}, or a firewall refuses.",
        "cure.mailbox_refused": "Check host and port: IMAP 993 with TLS (143 with STARTTLS), POP3 995 with TLS (110 with STARTTLS). Allow the "
        "port outbound in the firewall.",
        "fault.mailbox_unreachable": "There is no way through the network to {host}.",
        "cure.mailbox_unreachable": "Check this machine's network, and that no firewall or missing IPv6 route stands between.",
        "fault.mailbox_certificate_expired": "The certificate of {host} has expired.",
        "cure.mailbox_certificate_expired": "Its operator has to renew it. Check this machine's clock, too.",
        "fault.mailbox_certificate_not_yet": "The certificate of {host} is not valid yet.",
        "cure.mailbox_certificate_not_yet": "Check this machine's clock; otherwise the operator has to replace the certificate.",
        "fault.mailbox_certificate_name": "The certificate is for another host than {host}.",
        "cure.mailbox_certificate_name": "Enter the host by the name in its certificate (often the provider's own, not an alias of yours).",
        "fault.mailbox_certificate_self_signed": "{host} signed its certificate itself: nobody vouches for it.",
        "cure.mailbox_certificate_self_signed": "Give it a certificate of a known authority, or add its own to this machine's trusted ones. "
        "Only for a server in your own network: switch off Verify the certificate.",
        "fault.mailbox_certificate_unknown": "Nobody whom this machine trusts signed the certificate of {host}.",
        "cure.mailbox_certificate_unknown": "The server may forget to send the intermediate certificate: its operator has to add it. An "
        "authority of your own has to be added to this machine's trusted ones.",
        "fault.mailbox_starttls_missing": "{host} does not offer STARTTLS on port {port}, and nothing secret is said without encryption.",
        "cure.mailbox_starttls_missing": "Choose TLS with port 993 (IMAP) or 995 (POP3).",
        "fault.mailbox_starttls_smuggled": "Somebody put plain text between us and {host} before encryption began.",
        "cure.mailbox_starttls_smuggled": "Do not use this network. Port 993 or 995 with TLS leaves no such gap.",
        "fault.mailbox_preauth": "{host} skips the login, and with it the encryption.",
        "cure.mailbox_preauth": "Choose TLS with port 993; a server that greets so is set up wrongly, or is not the one that you mean.",
        "fault.mailbox_tls_on_plain_port": "TLS was begun at once, but port {port} of {host} does not speak TLS from the first byte.",
        "cure.mailbox_tls_on_plain_port": "Choose STARTTLS for ports 143 and 110, or TLS with port 993 (IMAP) or 995 (POP3).",
        "fault.mailbox_tls_other": "No encrypted connection with {host} came about: {trouble}",
        "cure.mailbox_tls_other": "Check the kind of encryption for the port: TLS on 993 and 995, STARTTLS on 143 and 110.",
        "fault.mailbox_plain_on_tls_port": "Port {port} speaks TLS from the first byte, and we waited for words in clear.",
        "cure.mailbox_plain_on_tls_port": "Choose TLS for port {port}.",
        "fault.mailbox_token_ended": "The consent by which this mailbox is read has ended or was withdrawn: {trouble}",
        "cure.mailbox_token_ended": "Press Connect again on the page of the mailbox and give the consent for {username} once more.",
        "fault.mailbox_token_missing": "There is no access token for this mailbox: {trouble}",
        "cure.mailbox_token_missing": "Check token source and grant (JSON with client_id, refresh_token and, where the client has one, "
        "client_secret and scope), or give the consent again.",
        "fault.mailbox_token_refused": "{host} does not accept the access token, not even a fresh one: {trouble}",
        "cure.mailbox_token_refused": "Give the consent again with the right to read mail by IMAP (Google: https://mail.google.com/, Microsoft: "
        "IMAP.AccessAsUser.All), for {username} itself. IMAP must be on for the mailbox.",
        "fault.mailbox_token_later": "Who gives the access tokens cannot be asked now: {trouble}",
        "cure.mailbox_token_later": "It is tried again by itself. Check this machine's way to the internet if it lasts.",
        "fault.mailbox_secret_unreadable": "The stored password was sealed with another secret key and cannot be read.",
        "cure.mailbox_secret_unreadable": "Enter the password again, or restore the file secret_key of the data directory.",
        "fault.mailbox_login_in_clear": "{host} lets nobody log in without encryption.",
        "cure.mailbox_login_in_clear": "Choose TLS (993, 995) or STARTTLS (143, 110).",
        "fault.mailbox_login_locked": "The account is locked: {trouble}",
        "cure.mailbox_login_locked": "Unlock it at the provider. After many wrong passwords it often opens again by itself.",
        "fault.mailbox_imap_off": "{protocol} is switched off for this account.",
        "cure.mailbox_imap_off": "Switch it on in the account's settings at the provider, and where there is an organisation, for the "
        "organisation. {provider_cure}",
        "fault.mailbox_web_login": "The provider wants this login to be confirmed in a browser first.",
        "cure.mailbox_web_login": "Sign in to the account in a browser and confirm that it was you, then use an app password.",
        "fault.mailbox_login_expired": "The password has expired.",
        "cure.mailbox_login_expired": "Set a new one at the provider and enter it here.",
        "fault.mailbox_login_of_provider": "{host} does not accept this login.",
        "cure.mailbox_login_of_provider": "{provider_cure}",
        "fault.mailbox_login_refused": "{host} does not accept user name {username} with this password.",
        "cure.mailbox_login_refused": "Check both; many providers want the whole address as user name and an app password. {protocol} must be "
        "switched on for the account.",
        "fault.mailbox_in_use": "Somebody else has the mailbox open, and the server lets in one at a time.",
        "cure.mailbox_in_use": "It is tried again by itself. Let no other program fetch from this mailbox, or use IMAP.",
        "fault.mailbox_too_many": "The server has had too many connections, logins or bytes from this account.",
        "cure.mailbox_too_many": "It is tried again by itself, less and less often. Let fewer programs read this mailbox, or fetch less often.",
        "fault.mailbox_unavailable": "The server cannot do it now: {trouble}",
        "cure.mailbox_unavailable": "Nothing is to be done: it is tried again by itself, and mail stays on the server meanwhile.",
        "fault.mailbox_folder_read_only": "The folder {folder} may only be read: mails are taken, and nothing can be changed there.",
        "cure.mailbox_folder_read_only": "Choose Nothing for After fetching, or give this account the right to change the folder.",
        "fault.mailbox_no_folders": "POP3 knows no folders to which mail could be moved.",
        "cure.mailbox_no_folders": "Choose Nothing or Delete for After fetching, or IMAP.",
        "fault.mailbox_setting_wrong": "What is to happen after fetching cannot be understood: {trouble}",
        "cure.mailbox_setting_wrong": "Enter mark_seen, nothing, delete or move:FOLDER.",
        "fault.mailbox_no_lasting_numbers": "{host} gives the mails of {folder} no lasting numbers (UIDVALIDITY), so nobody could tell what was taken.",
        "cure.mailbox_no_lasting_numbers": "Choose another folder, or POP3.",
        "fault.mailbox_not_settled": "Mails were taken, but the server does not do with them what was to be done: {trouble}",
        "cure.mailbox_not_settled": "Check After fetching, and this account's rights in the folders. What is left to do is done with the next "
        "reconciliation.",
        "fault.mailbox_folder_missing": "The folder {folder} cannot be opened: {trouble}",
        "cure.mailbox_folder_missing": "Check its name as the server spells it (INBOX is always there), and that this account may open it.",
        "fault.mailbox_silent": "{host} does not answer in time: {trouble}",
        "cure.mailbox_silent": "Check port and encryption if it never worked; otherwise it is overloaded, and is tried again by itself.",
        "fault.mailbox_not_a_mailbox": "Something else answers on port {port} of {host} than a mailbox server.",
        "cure.mailbox_not_a_mailbox": "Check host, port and protocol: 993 for IMAP, 995 for POP3; 587 and 465 are for sending.",
        "fault.mailbox_nonsense": "{host} says what no such server should: {trouble}",
        "cure.mailbox_nonsense": "Something between (a virus scanner, a proxy) may interfere; otherwise its operator has to look into it.",
        "fault.mailbox_hung_up": "The connection with {host} was lost: {trouble}",
        "cure.mailbox_hung_up": "It is tried again by itself. If it lasts, check port and encryption.",
        "fault.mailbox_storage": "This machine cannot store mail now: {trouble}",
        "cure.mailbox_storage": "Make room on the disk of the data directory, and see that it can be written. Nothing was marked: what was "
        "not stored stays in the mailbox.",
        "fault.mailbox_other": "The mailbox cannot be read: {trouble}",
        "cure.mailbox_other": "Check host, port, protocol and encryption, and test again.",
        # alarms
        "mailbox.trouble": "The mailbox {name} has not been read since {since}: {cause} {cure}",
        "mailbox.unread": "The mailbox {name} has not been read since {since}, and nobody says why: is the scheduled action Mail: Fetchmail "
        "Service on, and does the watcher of mailboxes run?",
        "mailbox.unsettled": "Mails of the mailbox {name} are taken, but what was to happen to them there does not: {cause} {cure}",
        "mailbox.token": "The mailbox {name} cannot log in: {cause} {cure}",
        "inbound.waiting": "{count} mails that came in wait to be routed, the first since {since}: does a router run? They are durable, and none "
        "is lost.",
        "mailbox.silent": "The mailbox {name} has had no mail since {since}; its longest pause in an ordinary week is {usual}. Send a mail to it "
        "and see whether it arrives there: perhaps a forwarding, a filter or the domain's MX was changed.",
    }
)
