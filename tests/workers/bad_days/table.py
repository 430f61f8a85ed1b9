"""The table of bad days: what a server may do at every step of the conversation, and what becomes of the mail.

Standards: RFC 5321 (4.2.1 classes, 3.8 and 4.5.3.2 ends and time-outs, 4.5.4.1 retries), RFC 2920, 3207, 4954, 1870, 6531, 3463.
"""

from __future__ import annotations

from postroom.adapters.smtp.replies import MAX_REPLY
from tests.adapters.smtp.scripted_peer import Does, polite
from tests.workers.bad_days.expecting import (
    IMPATIENT,
    Chapter,
    Day,
    Expected,
    broke,
    later,
    refused,
    sent,
    unknown,
    waits,
)
from tests.workers.bad_days.peers import (
    EXTENSIONS,
    after_starttls,
    closes,
    drops_after_tls,
    forgets_what_it_was_told,
    hears_no_dot,
    hesitates,
    in_the_content,
    lines,
    offers,
    old_tls,
    says,
    says_bytes,
    says_bytes_and_goes,
    stops_reading,
    trickles,
)

LONG = "A long story. " * 40_000  # more than any socket holds
LOGIN = {"username": "alice@northwind.example", "password": "open sesame"}
STARTTLS, TLS = {"encryption": "starttls"}, {"encryption": "tls"}
GONE = "the server closed the connection"
SILENCE = f"no answer within {IMPATIENT:g} seconds"
LATIN_1 = "grüß Gott".encode("latin-1")
NOISE = bytes(range(0, 256, 3)) + b"\r\n"

CONNECTING = (
    Day(name="nobody listens", scripts=(), expected=waits("Connecting failed: connection refused")),
    Day(
        name="its name does not resolve",
        scripts=(),
        server={"host": "relay.invalid"},
        expected=waits("Connecting failed: the name relay.invalid could not be resolved"),
    ),
    Day(
        name="its name is no name",
        scripts=(),
        server={"host": "no host"},
        expected=waits("'no host' is no host name"),
    ),
    Day(
        name="nobody listens at its IPv6 address",
        scripts=(),
        server={"host": "::1"},
        expected=waits("Connecting failed: "),
    ),
    Day(
        name="only one of its addresses answers",
        scripts=(polite(),),
        server={"host": "localhost"},
        expected=sent(),
    ),
    Day(name="it closes at once", scripts=(closes(),), expected=waits(f"The greeting failed: {GONE}")),
    Day(
        name="it resets at once",
        scripts=(closes(hard=True),),
        expected=waits("failed: "),
    ),
    Day(
        name="it accepts and says nothing",
        scripts=(says("GREETING", Does.SLEEP),),
        patience=IMPATIENT,
        expected=waits(f"The greeting failed: {SILENCE}"),
    ),
    Day(
        name="nobody listens and it is the last chance",
        scripts=(),
        is_last_chance=True,
        expected=Expected(
            state="failed",
            says="Given up after the deadline. Last: The server 127.0.0.1:* is in trouble: Connecting failed",
            blame="network",
            kind="mail_smtp",
            notification="exception",
            circuit_opens=True,
            later="failed",
        ),
    ),
)

GREETING = (
    Day(
        name="greets with 554",
        scripts=(says("GREETING", "554 5.7.1 no service for you"),),
        expected=waits("The greeting failed: it said 554 5.7.1 no service for you"),
    ),
    Day(
        name="greets with 421",
        scripts=(says("GREETING", "421 4.3.2 too busy"),),
        expected=waits("The greeting failed: it said 421 4.3.2 too busy"),
    ),
    Day(
        name="greets with 450",
        scripts=(says("GREETING", "450 4.7.1 who are you?"),),
        expected=waits("it said 450 4.7.1 who are you?"),
    ),
    Day(
        name="greets with 354",
        scripts=(says("GREETING", "354 go ahead"),),
        expected=waits("The greeting failed: it said 354 go ahead"),
    ),
    Day(name="greets with 250", scripts=(says("GREETING", "250 close enough"),), expected=sent()),
    Day(name="greets in eight bits", scripts=(says("GREETING", b"220 " + LATIN_1 + b"\r\n"),), expected=sent()),
    Day(name="greets with a bare line feed", scripts=(says("GREETING", b"220 peer.example\n"),), expected=sent()),
    Day(name="greets in 500 lines", scripts=(says("GREETING", lines(220, 500, "peer")),), expected=sent()),
    Day(
        name="greets letter by letter",
        scripts=(trickles("GREETING", b"220 peer.example ESMTP\r\n"),),
        expected=sent(),
    ),
    Day(
        name="greets without an end",
        scripts=(says_bytes(b"220-" + b"x" * 100_000),),
        expected=waits("The greeting failed: it said 220-xxx"),
    ),
    Day(
        name="greets with a reply of more than a megabyte",
        scripts=(says_bytes(b"220-more of it\r\n" * (MAX_REPLY // 14 + 10)),),
        expected=waits("The greeting failed: it said 220-more of it"),
    ),
    Day(
        name="greets with half a line and closes",
        scripts=(says_bytes_and_goes(b"220 peer.exa"),),
        expected=waits(f"The greeting failed: {GONE}"),
    ),
    Day(
        name="greets twice",
        scripts=(says("GREETING", b"220 peer.example\r\n220 peer.example\r\n"),),
        expected=waits("the server sent more than it was asked for"),
    ),
    Day(
        name="is a web server",
        scripts=(says_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"),),
        expected=waits("The greeting failed: it said HTTP/1.1 400 Bad Request"),
    ),
    Day(
        name="is a shell server",
        scripts=(says_bytes(b"SSH-2.0-OpenSSH_9.2\r\n"),),
        expected=waits("The greeting failed: it said SSH-2.0-OpenSSH_9.2"),
    ),
    Day(
        name="is an IMAP server",
        scripts=(says_bytes(b"* OK IMAP4rev1 ready\r\n"),),
        expected=waits("The greeting failed: it said * OK IMAP4rev1 ready"),
    ),
    Day(name="greets with noise", scripts=(says_bytes(NOISE),), expected=waits("The greeting failed: it said ")),
)

EHLO = (
    Day(
        name="421 to EHLO",
        scripts=(says("EHLO", "421 4.3.2 closing"),),
        expected=waits("EHLO failed: it said 421 4.3.2 closing"),
    ),
    Day(
        name="451 to EHLO",
        scripts=(says("EHLO", "451 4.3.0 not now"),),
        expected=waits("EHLO failed: it said 451 4.3.0 not now"),
    ),
    Day(name="knows only HELO", scripts=(says("EHLO", "500 5.5.1 what?"),), expected=sent()),
    Day(
        name="550 to EHLO and to HELO",
        scripts=(polite(answers={"EHLO": ["550 5.7.1 bad name"], "HELO": ["550 5.7.1 bad name"]}),),
        expected=waits("EHLO failed: it said 550 5.7.1 bad name"),
    ),
    Day(name="drops at EHLO", scripts=(says("EHLO", Does.DROP),), expected=waits(f"EHLO failed: {GONE}")),
    Day(
        name="502 to EHLO and drops at HELO",
        scripts=(polite(answers={"EHLO": ["502 what?"], "HELO": [Does.DROP]}),),
        expected=waits(f"EHLO failed: {GONE}"),
    ),
    Day(
        name="is silent at EHLO",
        scripts=(says("EHLO", Does.SLEEP),),
        patience=IMPATIENT,
        expected=waits(f"EHLO failed: {SILENCE}"),
    ),
    Day(
        name="never ends its answer to EHLO",
        scripts=(says("EHLO", b"250-peer.example\r\n250-SIZE\r\n"),),
        patience=IMPATIENT,
        expected=waits(f"EHLO failed: {SILENCE}"),
    ),
    Day(
        name="answers EHLO with noise",
        scripts=(says("EHLO", NOISE),),
        expected=waits("EHLO failed: it said "),
    ),
    Day(
        name="354 to EHLO",
        scripts=(says("EHLO", "354 go ahead"),),
        expected=waits("EHLO failed: it said 354 go ahead"),
    ),
    Day(name="answers EHLO in 1,000 lines", scripts=(says("EHLO", lines(250, 1000, "HELP")),), expected=sent()),
)

ENCRYPTION = (
    Day(name="STARTTLS as it should be", scripts=(offers(starttls="good"),), server=STARTTLS, expected=sent()),
    Day(name="TLS as it should be", scripts=(polite(),), tls="good", server=TLS, expected=sent()),
    Day(
        name="STARTTLS is not offered, or was cut out",
        scripts=(polite(),),
        server=STARTTLS,
        expected=waits("Encryption failed: the server does not offer STARTTLS"),
    ),
    Day(
        name="454 to STARTTLS",
        scripts=(says("STARTTLS", "454 4.7.0 TLS not available", starttls="good"),),
        server=STARTTLS,
        expected=waits("Encryption failed: it said 454 4.7.0 TLS not available"),
    ),
    Day(
        name="502 to STARTTLS",
        scripts=(says("STARTTLS", "502 5.5.1 what?", starttls="good"),),
        server=STARTTLS,
        expected=waits("Encryption failed: it said 502 5.5.1 what?"),
    ),
    Day(
        name="250 instead of 220 to STARTTLS",
        scripts=(says("STARTTLS", "250 fine", starttls="good"),),
        server=STARTTLS,
        expected=waits("Encryption failed: it said 250 fine"),
    ),
    Day(
        name="drops at STARTTLS",
        scripts=(says("STARTTLS", Does.DROP, starttls="good"),),
        server=STARTTLS,
        expected=waits(f"Encryption failed: {GONE}"),
    ),
    Day(
        name="closes in the TLS handshake",
        scripts=(after_starttls(closes()),),
        server=STARTTLS,
        expected=waits("Encryption failed: "),
    ),
    Day(
        name="half a TLS handshake, then silence",
        scripts=(after_starttls(says_bytes(b"\x16\x03\x03\x00\x7a\x02\x00")),),
        server=STARTTLS,
        patience=IMPATIENT,
        expected=waits("Encryption failed: "),
    ),
    Day(
        name="noise instead of TLS",
        scripts=(after_starttls(says_bytes(NOISE)),),
        server=STARTTLS,
        expected=waits("Encryption failed: "),
    ),
    Day(
        name="plain text behind the 220 to STARTTLS",
        scripts=(after_starttls(says_bytes(b""), more=b"250 injected\r\n"),),
        server=STARTTLS,
        expected=waits("plain text came after the answer to STARTTLS"),
    ),
    Day(
        name="drops after the TLS handshake",
        scripts=(drops_after_tls,),
        server=STARTTLS,
        expected=waits("EHLO failed: "),
    ),
    Day(
        name="an expired certificate",
        scripts=(offers(starttls="expired"),),
        server=STARTTLS,
        expected=waits("the certificate was not accepted: certificate has expired"),
    ),
    Day(
        name="a certificate that it signed itself",
        scripts=(offers(starttls="self-signed"),),
        server=STARTTLS,
        expected=waits("the certificate was not accepted: self-signed certificate"),
    ),
    Day(
        name="a certificate of another host",
        scripts=(offers(starttls="other"),),
        server=STARTTLS,
        expected=waits("the certificate was not accepted: IP address mismatch"),
    ),
    Day(
        name="a certificate of an unknown authority",
        scripts=(polite(),),
        tls="unknown",
        server=TLS,
        expected=waits("Connecting failed: the certificate was not accepted: "),
    ),
    Day(
        name="a certificate that it signed itself, and the server's row says that this is right",
        scripts=(offers(starttls="self-signed"),),
        server=STARTTLS | {"verify_certificate": False},
        expected=sent(),
    ),
    Day(
        name="knows no newer TLS than 1.1",
        scripts=(old_tls(),),
        server=STARTTLS,
        expected=waits("Encryption failed: the TLS handshake failed"),
    ),
    Day(
        name="speaks plain text where TLS was said",
        scripts=(polite(),),
        server=TLS,
        expected=waits("Connecting failed: the TLS handshake failed"),
    ),
    Day(
        name="speaks TLS where plain text was said",
        scripts=(polite(),),
        tls="good",
        patience=IMPATIENT,
        expected=waits(f"The greeting failed: {SILENCE}"),
    ),
)

LOGGING_IN = (
    Day(
        name="offers no login",
        scripts=(polite(),),
        server=LOGIN,
        expected=waits("The login failed: the server offers no login that we know (it offers: none)"),
    ),
    Day(
        name="offers only a login that we do not know",
        scripts=(offers("AUTH CRAM-MD5"),),
        server=LOGIN,
        expected=waits("(it offers: CRAM-MD5)"),
    ),
    Day(
        name="535 to the login",
        scripts=(says("AUTH", "535 5.7.8 bad credentials", extensions=["AUTH PLAIN"]),),
        server=LOGIN,
        expected=waits("The login failed: it said 535 5.7.8 bad credentials"),
    ),
    Day(
        name="535 to the login without an enhanced code",
        scripts=(says("AUTH", "535 no", extensions=["AUTH PLAIN LOGIN"]),),
        server=LOGIN,
        expected=waits("The login failed: it said 535 no"),
    ),
    Day(
        name="repeats the password in its refusal",
        scripts=(says("AUTH", "535 5.7.8 open sesame is wrong", extensions=["AUTH PLAIN"]),),
        server=LOGIN,
        expected=waits("it said 535 5.7.8 ******** is wrong"),
    ),
    Day(
        name="454 to the login",
        scripts=(says("AUTH", "454 4.7.0 the directory is away", extensions=["AUTH PLAIN"]),),
        server=LOGIN,
        expected=waits("The login failed: it said 454 4.7.0 the directory is away"),
    ),
    Day(
        name="534 to the login",
        scripts=(says("AUTH", "534 5.7.9 an application password is needed", extensions=["AUTH PLAIN"]),),
        server=LOGIN,
        expected=waits("The login failed: it said 534 5.7.9 an application password is needed"),
    ),
    Day(
        name="knows LOGIN and refuses PLAIN with 504",
        scripts=(polite(extensions=["AUTH PLAIN LOGIN"], answers={"AUTH": ["504 5.5.4 no", "334 VXNlcm5hbWU6"]}),),
        server=LOGIN,
        expected=sent(),
    ),
    Day(
        name="421 to the login",
        scripts=(says("AUTH", "421 4.7.0 too many logins", extensions=["AUTH PLAIN"]),),
        server=LOGIN,
        expected=waits("The login failed: it said 421 4.7.0 too many logins"),
    ),
    Day(
        name="drops at the login",
        scripts=(says("AUTH", Does.DROP, extensions=["AUTH PLAIN"]),),
        server=LOGIN,
        expected=waits(f"The login failed: {GONE}"),
    ),
    Day(
        name="is silent at the login",
        scripts=(says("AUTH", Does.SLEEP, extensions=["AUTH PLAIN"]),),
        server=LOGIN,
        patience=IMPATIENT,
        expected=waits(f"The login failed: {SILENCE}"),
    ),
    Day(
        name="asks question after question at the login",
        scripts=(polite(extensions=["AUTH PLAIN"], answers={"AUTH": ["334 more"], "AUTH+": ["501 5.7.0 cancelled"]}),),
        server=LOGIN,
        expected=waits("The login failed: it said 501 5.7.0 cancelled"),
    ),
    Day(
        name="530 to MAIL, it wants a login",
        scripts=(says("MAIL", "530 5.7.0 authentication required"),),
        expected=waits("It takes no mail: it said 530 5.7.0 authentication required"),
    ),
)

MAIL = (
    Day(
        name="421 to MAIL",
        scripts=(says("MAIL", "421 4.3.2 closing"),),
        expected=waits("It takes no mail: it said 421 4.3.2 closing"),
    ),
    Day(
        name="450 to MAIL",
        scripts=(says("MAIL", "450 4.1.8 your domain does not resolve"),),
        expected=later("The server said: 450 4.1.8 your domain does not resolve", blame="sender"),
    ),
    Day(
        name="451 to MAIL without an enhanced code",
        scripts=(says("MAIL", "451 try again"),),
        expected=later("The server said: 451 try again"),
    ),
    Day(
        name="452 to MAIL, its disk is full",
        scripts=(says("MAIL", "452 4.3.1 insufficient system storage"),),
        expected=later("The server said: 452 4.3.1 insufficient system storage"),
    ),
    Day(
        name="550 to MAIL, it does not want this sender",
        scripts=(says("MAIL", "550 5.1.8 sender address rejected"),),
        expected=refused("The server said: 550 5.1.8", blame="sender", kind="mail_from_invalid"),
    ),
    Day(
        name="550 to MAIL, the login may not send as this sender",
        scripts=(says("MAIL", "550 5.7.60 client does not have permissions to send as this sender"),),
        expected=refused("The server said: 550 5.7.60", blame="sender", kind="mail_from_invalid"),
    ),
    Day(
        name="553 to MAIL",
        scripts=(says("MAIL", "553 5.7.1 not owned by user"),),
        expected=refused("The server said: 553 5.7.1 not owned by user", blame="policy"),
    ),
    Day(
        name="552 to MAIL, too big",
        scripts=(says("MAIL", "552 5.3.4 message size exceeds fixed limit"),),
        expected=refused("The server said: 552 5.3.4", blame="policy"),
    ),
    Day(
        name="501 to MAIL without an enhanced code",
        scripts=(says("MAIL", "501 bad address syntax"),),
        expected=refused("The server said: 501 bad address syntax", blame="sender", kind="mail_from_invalid"),
    ),
    Day(name="drops at MAIL", scripts=(says("MAIL", Does.DROP),), expected=broke(f"The connection broke: {GONE}")),
    Day(name="drops at MAIL once", scripts=(says("MAIL", Does.DROP), polite()), expected=sent()),
    Day(
        name="resets at MAIL",
        scripts=(says("MAIL", Does.RESET),),
        expected=broke("The connection broke: "),
    ),
    Day(
        name="is silent at MAIL",
        scripts=(says("MAIL", Does.SLEEP),),
        patience=IMPATIENT,
        expected=broke(f"The connection broke: {SILENCE}"),
    ),
    Day(
        name="answers MAIL with noise",
        scripts=(says("MAIL", NOISE),),
        expected=later("The server said: "),
    ),
    Day(
        name="354 to MAIL",
        scripts=(says("MAIL", "354 go ahead"),),
        expected=later("The server said: 354 go ahead"),
    ),
    Day(name="answers MAIL late", scripts=(hesitates("MAIL", b"250 2.1.0 ok\r\n"),), expected=sent()),
)

RCPT = (
    Day(
        name="550 5.1.1 to RCPT",
        scripts=(says("RCPT", "550 5.1.1 user unknown"),),
        expected=refused("The server said: 550 5.1.1 user unknown", blame="address", kind="mail_email_invalid"),
    ),
    Day(
        name="550 to RCPT without an enhanced code",
        scripts=(says("RCPT", "550 no such user here"),),
        expected=refused("The server said: 550 no such user here", blame="address", kind="mail_email_invalid"),
    ),
    Day(
        name="550 4.2.1 to RCPT, the codes contradict each other",
        scripts=(says("RCPT", "550 4.2.1 mailbox disabled"),),
        expected=refused("The server said: 550 4.2.1 mailbox disabled", blame="mailbox"),
    ),
    Day(
        name="551 to RCPT, he moved",
        scripts=(says("RCPT", "551 5.1.6 user has moved"),),
        expected=refused("The server said: 551 5.1.6", blame="address", kind="mail_email_invalid"),
    ),
    Day(
        name="552 to RCPT, his mailbox is full",
        scripts=(says("RCPT", "552 5.2.2 mailbox full"),),
        expected=refused("The server said: 552 5.2.2 mailbox full", blame="mailbox"),
    ),
    Day(
        name="553 to RCPT",
        scripts=(says("RCPT", "553 5.1.3 mailbox name not allowed"),),
        expected=refused("The server said: 553 5.1.3", blame="address", kind="mail_email_invalid"),
    ),
    Day(
        name="554 to RCPT, it does not relay",
        scripts=(says("RCPT", "554 5.7.1 relay access denied"),),
        expected=refused("The server said: 554 5.7.1 relay access denied", blame="sender"),
    ),
    Day(
        name="421 to RCPT",
        scripts=(says("RCPT", "421 4.7.0 unusual rate of mail"),),
        expected=later("The server said: 421 4.7.0 unusual rate of mail", blame="policy"),
    ),
    Day(
        name="450 4.2.1 to RCPT, his mailbox gets too much mail",
        scripts=(says("RCPT", "450 4.2.1 receiving mail too quickly"),),
        expected=later("The server said: 450 4.2.1", blame="policy"),
    ),
    Day(
        name="450 to RCPT without an enhanced code",
        scripts=(says("RCPT", "450 mailbox busy"),),
        expected=later("The server said: 450 mailbox busy", blame="mailbox"),
    ),
    Day(
        name="451 to RCPT, greylisting",
        scripts=(says("RCPT", "451 4.7.1 greylisted, come back"),),
        expected=later("The server said: 451 4.7.1 greylisted, come back", blame="policy"),
    ),
    Day(
        name="452 to RCPT, his mailbox is full just now",
        scripts=(says("RCPT", "452 4.2.2 mailbox full"),),
        expected=later("The server said: 452 4.2.2 mailbox full", blame="mailbox"),
    ),
    Day(
        name="452 to RCPT, too many recipients",
        scripts=(says("RCPT", "452 4.5.3 too many recipients"),),
        expected=later("The server said: 452 4.5.3 too many recipients", blame="policy"),
    ),
    Day(
        name="451 to RCPT and it is the last chance",
        scripts=(says("RCPT", "451 4.7.1 greylisted"),),
        is_last_chance=True,
        expected=refused("Given up after the deadline. Last: The server said: 451 4.7.1 greylisted", blame="policy"),
    ),
    Day(
        name="refuses one of three recipients for good",
        scripts=(says("RCPT", "250 ok", "550 5.1.1 user unknown", "250 ok"),),
        mails=3,
        states={"sent": 2, "failed": 1},
        expected=refused("The server said: 550 5.1.1 user unknown", blame="address", kind="mail_email_invalid"),
    ),
    Day(
        name="refuses two of four recipients for now",
        scripts=(says("RCPT", "450 4.2.1 busy", "250 ok", "450 4.2.1 busy", "250 ok"),),
        mails=4,
        states={"sent": 2, "deferred": 2},
        expected=later("The server said: 450 4.2.1 busy", blame="policy"),
    ),
    Day(name="251 to RCPT, it forwards", scripts=(says("RCPT", "251 will forward"),), expected=sent()),
    Day(name="drops at RCPT", scripts=(says("RCPT", Does.DROP),), expected=broke(f"The connection broke: {GONE}")),
    Day(name="drops at RCPT once", scripts=(says("RCPT", Does.DROP), polite()), expected=sent()),
    Day(
        name="is silent at RCPT",
        scripts=(says("RCPT", Does.SLEEP),),
        patience=IMPATIENT,
        expected=broke(f"The connection broke: {SILENCE}"),
    ),
    Day(
        name="354 to RCPT",
        scripts=(says("RCPT", "354 go ahead"),),
        expected=later("The server said: 354 go ahead"),
    ),
    Day(
        name="answers RCPT twice, from then on it is out of step",
        scripts=(says("RCPT", b"250 ok\r\n250 ok\r\n"),),
        expected=later("The server said: 250 ok"),
    ),
    Day(name="answers RCPT late", scripts=(hesitates("RCPT", b"250 2.1.5 ok\r\n"),), expected=sent()),
)

DATA = (
    Day(
        name="421 to DATA",
        scripts=(says("DATA", "421 4.3.2 closing"),),
        expected=later("The server said: 421 4.3.2 closing"),
    ),
    Day(
        name="451 to DATA",
        scripts=(says("DATA", "451 4.3.0 not now"),),
        expected=later("The server said: 451 4.3.0 not now"),
    ),
    Day(
        name="452 to DATA without an enhanced code",
        scripts=(says("DATA", "452 out of memory"),),
        expected=later("The server said: 452 out of memory", blame="server"),
    ),
    Day(
        name="550 to DATA",
        scripts=(says("DATA", "550 5.7.1 policy"),),
        expected=refused("The server said: 550 5.7.1 policy", blame="policy"),
    ),
    Day(
        name="554 to DATA, it has forgotten the recipients",
        scripts=(says("DATA", "554 5.5.1 no valid recipients"),),
        expected=refused("The server said: 554 5.5.1 no valid recipients", blame="server"),
    ),
    Day(
        name="503 to DATA without an enhanced code",
        scripts=(says("DATA", "503 bad sequence of commands"),),
        expected=refused("The server said: 503 bad sequence of commands", blame="server"),
    ),
    Day(
        name="250 instead of 354 to DATA",
        scripts=(says("DATA", "250 thanks"),),
        expected=later("The server said: 250 thanks"),
    ),
    Day(
        name="354 in many lines",
        scripts=(says("DATA", lines(354, 20, "go ahead")),),
        expected=sent(),
    ),
    Day(name="drops at DATA", scripts=(says("DATA", Does.DROP),), expected=broke(f"The connection broke: {GONE}")),
    Day(name="drops at DATA once", scripts=(says("DATA", Does.DROP), polite()), expected=sent()),
    Day(
        name="is silent at DATA",
        scripts=(says("DATA", Does.SLEEP),),
        patience=IMPATIENT,
        expected=broke(f"The connection broke: {SILENCE}"),
    ),
    Day(name="answers DATA with noise", scripts=(says("DATA", NOISE),), expected=later("The server said: ")),
    Day(name="answers DATA late", scripts=(hesitates("DATA", b"354 go ahead\r\n"),), expected=sent()),
    Day(
        name="says yes before it has seen the mail",
        scripts=(says("DATA", b"354 go ahead\r\n250 2.0.0 taken\r\n"),),
        expected=later("The server said: 354 go ahead"),
    ),
)

CONTENT = (
    Day(
        name="drops in the middle of the mail",
        scripts=(in_the_content(Does.DROP),),
        text=LONG,
        expected=broke("The connection broke: "),
    ),
    Day(
        name="resets in the middle of the mail",
        scripts=(in_the_content(Does.RESET),),
        text=LONG,
        expected=broke("The connection broke: "),
    ),
    Day(
        name="421 in the middle of the mail",
        scripts=(in_the_content("421 4.3.2 shutting down"),),
        text=LONG,
        expected=later("The server said: 421 4.3.2 shutting down"),
    ),
    Day(
        name="552 in the middle of the mail",
        scripts=(in_the_content("552 5.3.4 too much"),),
        text=LONG,
        expected=refused("The server said: 552 5.3.4 too much", blame="policy"),
    ),
    Day(
        name="250 in the middle of the mail",
        scripts=(in_the_content("250 2.0.0 taken"),),
        text=LONG * 20,
        expected=later("The server said: 250 2.0.0 taken"),
    ),
    Day(
        name="noise in the middle of the mail",
        scripts=(in_the_content(NOISE),),
        text=LONG * 20,
        expected=later("The server said: "),
    ),
    Day(
        name="stops reading in the middle of the mail",
        scripts=(stops_reading,),
        text=LONG * 20,
        patience=IMPATIENT,
        expected=broke(f"The connection broke: {SILENCE}"),
    ),
)

END = (
    Day(
        name="drops behind the final dot",
        scripts=(says("END", Does.DROP),),
        expected=unknown(f"after the whole mail was sent and before the reply: {GONE}"),
    ),
    Day(
        name="resets behind the final dot",
        scripts=(says("END", Does.RESET),),
        expected=unknown("after the whole mail was sent and before the reply: "),
    ),
    Day(
        name="is silent behind the final dot",
        scripts=(says("END", Does.SLEEP),),
        patience=IMPATIENT,
        expected=unknown(f"before the reply: {SILENCE}"),
    ),
    Day(
        name="takes the final dot for more of the mail",
        scripts=(hears_no_dot,),
        patience=IMPATIENT,
        expected=unknown(f"before the reply: {SILENCE}"),
    ),
    Day(
        name="half a reply behind the final dot, then drops",
        scripts=(polite(answers={"END": [b"250 2.0.0 ta"], "QUIT": [Does.DROP]}),),
        patience=IMPATIENT,
        expected=unknown("before the reply: "),
    ),
    Day(
        name="noise behind the final dot",
        scripts=(says("END", NOISE),),
        expected=unknown("the answer to the mail was no SMTP"),
    ),
    Day(
        name="354 behind the final dot",
        scripts=(says("END", "354 go on"),),
        expected=unknown("the answer to the mail was no SMTP: 354 go on"),
    ),
    Day(
        name="drops behind the final dot and it is the last chance",
        scripts=(says("END", Does.DROP),),
        is_last_chance=True,
        expected=unknown("before the reply"),
    ),
    Day(
        name="drops behind one final dot of three",
        scripts=(says("END", "250 ok", Does.DROP), polite()),
        mails=3,
        states={"sent": 2, "unknown": 1},
        expected=unknown("before the reply"),
    ),
    Day(
        name="drops behind every final dot, mail after mail",
        scripts=(says("END", Does.DROP),),
        mails=12,
        states={"unknown": 3, "queued": 9},
        expected=Expected(
            state="unknown",
            says="before the reply",
            blame="network",
            kind="unknown",
            notification="exception",
            circuit_opens=True,
            later="unknown",
        ),
    ),
    Day(name="answers the final dot late", scripts=(hesitates("END", b"250 2.0.0 taken\r\n"),), expected=sent()),
    Day(
        name="answers the final dot letter by letter",
        scripts=(trickles("END", b"250 2.0.0 taken\r\n"),),
        expected=sent(),
    ),
    Day(
        name="answers the final dot in 5,000 lines",
        scripts=(says("END", lines(250, 5000, "taken")),),
        expected=sent("250  line 0 of a long story"),
    ),
    Day(
        name="answers the final dot in eight bits",
        scripts=(says("END", b"250 2.0.0 " + LATIN_1 + b"\r\n"),),
        expected=sent("250 2.0.0 grüß Gott"),
    ),
    Day(
        name="answers the final dot with control characters",
        scripts=(says("END", b"250 2.0.0 ta\0k\x1ben\r\n"),),
        expected=sent("250 2.0.0 ta\ufffdk\ufffden"),
    ),
    Day(name="says yes and drops", scripts=(says("QUIT", Does.DROP),), expected=sent()),
    Day(
        name="421 behind the final dot",
        scripts=(says("END", "421 4.7.0 try again later"),),
        expected=later("The server said: 421 4.7.0 try again later", blame="policy"),
    ),
    Day(
        name="450 4.2.1 behind the final dot",
        scripts=(says("END", "450 4.2.1 mailbox busy"),),
        expected=later("The server said: 450 4.2.1 mailbox busy", blame="mailbox"),
    ),
    Day(
        name="451 behind the final dot without an enhanced code",
        scripts=(says("END", "451 local error"),),
        expected=later("The server said: 451 local error"),
    ),
    Day(
        name="452 behind the final dot, its disk is full",
        scripts=(says("END", "452 4.3.1 no space"),),
        expected=later("The server said: 452 4.3.1 no space"),
    ),
    Day(
        name="499 behind the final dot, a code that nobody knows",
        scripts=(says("END", "499 well"),),
        expected=later("The server said: 499 well"),
    ),
    Day(
        name="550 behind the final dot, it calls it spam",
        scripts=(says("END", "550 5.7.1 this is spam"),),
        expected=refused("The server said: 550 5.7.1 this is spam", blame="policy"),
    ),
    Day(
        name="552 behind the final dot, too big",
        scripts=(says("END", "552 5.3.4 message too big"),),
        expected=refused("The server said: 552 5.3.4 message too big", blame="policy"),
    ),
    Day(
        name="554 behind the final dot without an enhanced code",
        scripts=(says("END", "554 transaction failed"),),
        expected=refused("The server said: 554 transaction failed", blame="policy"),
    ),
    Day(
        name="571 behind the final dot, a code that nobody knows",
        scripts=(says("END", "571 no"),),
        expected=refused("The server said: 571 no", blame="server"),
    ),
)

ABILITIES = (
    Day(name="offers nothing at all", scripts=(offers(),), mails=3, states={"sent": 3}, expected=sent()),
    Day(name="offers no PIPELINING", scripts=(offers("SIZE", "8BITMIME"),), expected=sent()),
    Day(name="offers no 8BITMIME", scripts=(offers("PIPELINING", "SIZE"),), text="Grüße", expected=sent()),
    Day(
        name="offers PIPELINING and forgets what came together",
        scripts=(forgets_what_it_was_told,),
        patience=IMPATIENT,
        mails=3,
        states={"sent": 3},
        expected=sent(),
    ),
    Day(
        name="offers no SMTPUTF8 and the recipient needs it",
        scripts=(offers("PIPELINING"),),
        recipient="björn@reader.example",
        expected=refused("the server does not take such addresses (SMTPUTF8)", blame="policy"),
    ),
    Day(
        name="offers SMTPUTF8 and the recipient needs it",
        scripts=(polite(),),
        recipient="björn@reader.example",
        expected=sent(),
    ),
    Day(
        name="offers no SMTPUTF8 and only the recipient's domain is not ASCII",
        scripts=(offers("PIPELINING"),),
        recipient="bjorn@bücher.example",
        expected=sent(),
    ),
    Day(
        name="takes less than the mail has",
        scripts=(offers("PIPELINING", "SIZE 300"),),
        is_new_afterwards=True,
        expected=refused("552 5.3.4 the mail has", blame="policy"),
    ),
    Day(name="says SIZE 0, which means no limit", scripts=(offers("PIPELINING", "SIZE 0"),), expected=sent()),
    Day(name="says SIZE and nonsense", scripts=(offers("PIPELINING", "SIZE big"),), expected=sent()),
    Day(
        name="allows one mail a connection (LIMITS)",
        scripts=(offers(*EXTENSIONS, "LIMITS MAILMAX=1"),),
        mails=3,
        states={"sent": 3},
        expected=sent(),
    ),
)

LIFE = (
    Day(
        name="closes after each mail without a word",
        scripts=(says("MAIL", "250 ok", Does.DROP),),
        mails=4,
        states={"sent": 4},
        expected=sent(),
    ),
    Day(
        name="421 to the third mail of a connection",
        scripts=(says("MAIL", "250 ok", "250 ok", "421 4.7.0 enough"),),
        mails=6,
        states={"sent": 6},
        expected=sent(),
    ),
    Day(name="ignores QUIT", scripts=(says("QUIT", Does.SLEEP),), server={"mails_per_connection": 1}, expected=sent()),
    Day(
        name="says more than it was asked for behind a mail",
        scripts=(says("END", b"250 2.0.0 taken\r\n250 2.0.0 taken\r\n"),),
        mails=3,
        states={"sent": 3},
        expected=sent(),
    ),
    Day(
        name="says goodbye (421) right behind a mail",
        scripts=(says("END", b"250 2.0.0 taken\r\n421 4.4.2 idle\r\n"),),
        mails=3,
        states={"sent": 3},
        expected=sent(),
    ),
    Day(
        name="refuses RSET after a refusal",
        scripts=(polite(answers={"RCPT": ["550 5.1.1 user unknown"], "RSET": ["502 5.5.1 what?"]}), polite()),
        mails=3,
        states={"failed": 1, "sent": 2},
        expected=refused("550 5.1.1 user unknown", blame="address", kind="mail_email_invalid"),
    ),
    Day(
        name="421 to RSET after a refusal",
        scripts=(polite(answers={"RCPT": ["450 4.2.1 busy"], "RSET": ["421 4.4.2 bye"]}), polite()),
        mails=3,
        states={"deferred": 1, "sent": 2},
        expected=later("450 4.2.1 busy", blame="policy"),
    ),
    Day(
        name="drops every connection before the mail, mail after mail",
        scripts=(says("DATA", Does.DROP),),
        mails=12,
        states={"deferred": 3, "queued": 9},
        expected=Expected(
            state="deferred",
            says=f"The connection broke: {GONE}",
            blame="network",
            again="in 60 to 75 s",
            circuit_opens=True,
        ),
    ),
)

CHAPTERS = (
    Chapter(title="Connecting", days=CONNECTING),
    Chapter(title="Greeting", days=GREETING),
    Chapter(title="EHLO", days=EHLO),
    Chapter(title="Encryption", days=ENCRYPTION),
    Chapter(title="Logging in", days=LOGGING_IN),
    Chapter(title="MAIL", days=MAIL),
    Chapter(title="RCPT", days=RCPT),
    Chapter(title="DATA", days=DATA),
    Chapter(title="In the middle of the mail", days=CONTENT),
    Chapter(title="Behind the final dot", days=END),
    Chapter(title="What it can and cannot", days=ABILITIES),
    Chapter(title="The life of a connection", days=LIFE),
)
DAYS = tuple(day for chapter in CHAPTERS for day in chapter.days)
