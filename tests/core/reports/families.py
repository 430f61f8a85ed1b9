"""Notices as the mail servers of the world word them: one of our own making for each family.

A family is what a reader must tell apart: where the recipient is named, where the reason stands, what is quoted, in which language.
"""

from __future__ import annotations

from dataclasses import dataclass

BOB, CHARLIE = "bob@there.example", "charlie@there.example"
_DAEMON = "Mail Delivery Subsystem <MAILER-DAEMON@mx.example>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One notice and what it says: address and reason of each recipient."""

    name: str
    text: str
    says: tuple[tuple[str, str], ...]
    author: str = _DAEMON
    subject: str = "Returned mail: see transcript for details"
    headers: tuple[str, ...] = ()
    kind: str = "bounce"

    def raw(self) -> bytes:
        head = [
            "Return-Path: <>",
            f"From: {self.author}",
            "To: Alice <alice@ours.example>",
            f"Subject: {self.subject}",
            "Date: Mon, 02 Mar 2026 10:00:00 +0000",
            "Message-ID: <notice-1@mx.example>",
            "MIME-Version: 1.0",
            *self.headers,
        ]
        if not any(line.lower().startswith("content-type") for line in self.headers):
            head.append("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit")
        return ("\r\n".join(head) + "\r\n\r\n" + self.text.replace("\n", "\r\n")).encode()


_OURS = """
Received: from ours.example (ours.example [192.0.2.1]) by mx.example; Mon, 2 Mar 2026 09:00:00 +0000
From: Alice <alice@ours.example>
To: bob@there.example
Subject: Hello
Message-ID: <our-1@ours.example>

Hello Bob
"""
ONE = ((BOB, "user_unknown"),)

FAMILIES: tuple[Family, ...] = (
    Family(
        name="sendmail 8",
        text="The original message was received at Mon, 2 Mar 2026 09:00:00 +0000\nfrom ours.example [192.0.2.1]\n\n"
        "   ----- The following addresses had permanent fatal errors -----\n<bob@there.example>\n    (reason: 550 5.1.1 <bob@there.example>... User unknown)\n\n"
        "   ----- Transcript of session follows -----\n... while talking to mx.there.example.:\n>>> RCPT To:<bob@there.example>\n<<< 550 5.1.1 <bob@there.example>... User unknown\n"
        "550 5.1.1 <bob@there.example>... User unknown\n\n   ----- Original message follows -----\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="sendmail 5",
        text="   ----- Transcript of session follows -----\nWhile talking to mx.there.example:\n>>> RCPT To:<bob@there.example>\n<<< 550 5.1.1 User unknown\n550 <bob@there.example>... User unknown\n\n"
        "   ----- Unsent message follows -----\n" + _OURS,
        subject="Returned mail: User unknown",
        says=ONE,
    ),
    Family(
        name="sendmail 5 that names nobody",
        text="   ----- Transcript of session follows -----\n421 there.example (smtp)... Deferred: Connection timed out during user open with there.example\n\n"
        "   ----- Unsent message follows -----\n" + _OURS,
        subject="Returned mail: Cannot send message for 3 days",
        says=((BOB, "network_error"),),
    ),
    Family(
        name="active hunter",
        author='"MAILER-DAEMON" <MAILER-DAEMON@mx.example>',
        subject="FAILURE NOTICE :",
        headers=("X-AHMAILID: 2-1",),
        text="  ----- The following addresses had permanent fatal errors -----\n\n>>> bob@there.example <bob@there.example>\n\n"
        "   ----- Transcript of session follows -----\n550 sorry, no mailbox here by that name (#5.1.1 - chkusr)\n\n----- Original message follows -----\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="james",
        author="postmaster@mx.example",
        subject="[BOUNCE]",
        text="Hi. This is the James mail server at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\nMessage details:\n  Subject: Hello\n  Sent date: Mon Mar 02 10:00:00 UTC 2026\n  MAIL FROM: alice@ours.example\n  RCPT TO: bob@there.example\n"
        "  From: Alice <alice@ours.example>\n  To: bob@there.example\n  Size (in bytes): 2000\n\nError message below:\n550 - Requested action not taken: no such user here\n",
        says=ONE,
    ),
    Family(
        name="barracuda",
        author="postmaster@mx.example",
        subject="**Message you sent blocked by our bulk email filter**",
        text="Your message to: bob@there.example\nwas blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:\n\nSubject: Hello\n",
        says=((BOB, "spam_content"),),
    ),
    Family(
        name="biglobe",
        author="postmaster@biglobe.example",
        subject="Returned mail:",
        text="   ----- The following addresses had delivery problems -----\nbob@there.example\n\n   ----- Non-delivered information -----\n"
        "The number of messages in recipient's mailbox exceeded the local limit.\n\n   ----- Returned message -----\n" + _OURS,
        says=((BOB, "mailbox_full"),),
    ),
    Family(
        name="courier",
        author='"Courier mail server at mx.example" <@mx.example>',
        subject="NOTICE: mail delivery status.",
        text="This is a delivery status notification from mx.example,\nrunning the Courier mail server, version 0.65.2.\n\nThe original message was received on Mon, 02 Mar 2026 10:00:00 +0000\nfrom ours.example ([192.0.2.1])\n\n"
        "---------------------------------------------------------------------------\n\n                           UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<bob@there.example>:\n    mx.there.example [192.0.2.9]:\n>>> RCPT TO:<bob@there.example>\n<<< 550 5.1.1 <bob@there.example>... User Unknown\n\n"
        "---------------------------------------------------------------------------\n",
        says=ONE,
    ),
    Family(
        name="domino",
        author='Postmaster@mx.example',
        subject="DELIVERY FAILURE: User bob (bob@there.example) not listed in Domino Directory",
        text="Your message\n\n  Subject: Hello\n\nwas not delivered to:\n\n  bob@there.example\n\nbecause:\n\n  User bob (bob@there.example) not listed in Domino Directory\n\n",
        says=ONE,
    ),
    Family(
        name="dragonfly",
        author="<>",
        subject="Mail delivery failed",
        headers=("Auto-Submitted: auto-replied",),
        text="This is the DragonFly Mail Agent v0.13 at mx.example.\n\nThere was an error delivering your mail to <bob@there.example>.\n\nmx.there.example [192.0.2.9] did not like our RCPT TO:\n550 5.1.1 <bob@there.example>... User Unknown\n\nOriginal message follows.\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="ezweb",
        author="Postmaster@ezweb.example",
        subject="Mail System Error - Returned Mail",
        text="Each of the following recipients was rejected by a remote mail server.\nThe reasons given by the server are included to help you determine why each recipient was rejected.\n\n"
        "    Recipient: <bob@there.example>\n    >>> RCPT TO:<bob@there.example>\n    <<< 550 <bob@there.example>: User unknown\n",
        says=ONE,
    ),
    Family(
        name="ezweb account",
        author="Postmaster@ezweb.example",
        subject="Mail System Error - Returned Mail",
        text="The user(s) account is disabled.\n\n <bob@there.example>\n\n   ----- Original message -----\n" + _OURS,
        says=((BOB, "suspended"),),
    ),
    Family(
        name="one and one",
        author='"Mail Delivery System" <mailer-daemon@kundenserver.example>',
        subject="Mail delivery failed: returning message to sender",
        text="This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of\nits recipients. This is a permanent error. The following address\nfailed:\n\n"
        "bob@there.example:\nFor the following reason:\nMail size limit exceeded. For explanation visit\nhttp://postmaster.1and1.example/en/error-messages?ip=192.0.2.1\n\n\n--- The header of the original message is following. ---\n" + _OURS,
        says=((BOB, "too_large"),),
    ),
    Family(
        name="gmx",
        author='"GMX Mailer Daemon" <mailer-daemon@gmx.example>',
        subject="Mail delivery failed: returning message to sender",
        text='This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of\nits recipients. This is a permanent error. The following address(es) failed:\n\n"bob@there.example":\n'
        "SMTP error from remote server after RCPT command:\nhost: mx.there.example\n5.1.1 <bob@there.example>... User Unknown\n\n--- The header of the original message is following. ---\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 5.5 and 2000",
        author="System Administrator <postmaster@mx.example>",
        subject="Undeliverable: Hello",
        headers=("X-Mailer: Internet Mail Service (5.5.2653.19)", "X-MS-Embedded-Report:"),
        text="Your message\n\n  To:      bob@there.example\n  Subject: Hello\n  Sent:    Mon, 2 Mar 2026 10:00:00 +0000\n\ndid not reach the following recipient(s):\n\n"
        "bob@there.example on Mon, 2 Mar 2026 10:00:01 +0000\n    The recipient name is not recognized\n\tThe MTS-ID of the original message is: c=us;a= ;p=mx;l=EX0203021000ABC\n    MSEXCH:IMS:ORG:SITE:MX 0 (000C05A6) Unknown Recipient\n",
        says=ONE,
    ),
    Family(
        name="exchange 2007",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Undeliverable: Hello",
        text="Delivery has failed to these recipients or distribution lists:\n\nbob@there.example\nThe recipient's e-mail address was not found in the recipient's e-mail system. Microsoft Exchange will not try to redeliver this message for you. Please check the e-mail address and try resending this message, or provide the following diagnostic text to your system administrator.\n\n"
        "_____\n\nSent by Microsoft Exchange Server 2007\n\n\n\nDiagnostic information for administrators:\n\nGenerating server: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nOriginal message headers:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in German",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Unzustellbar: Hallo",
        text="Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Verteilerlisten:\n\nbob@there.example\nDie E-Mail-Adresse des Empfängers wurde im E-Mail-System des Empfängers nicht gefunden.\n\n"
        "Diagnoseinformationen für Administratoren:\n\nGenerierender Server: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nUrsprüngliche Nachrichtenkopfzeilen:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in French",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Non remis : Bonjour",
        text="Échec de la remise pour ces destinataires ou listes de distribution :\n\nbob@there.example\nL'adresse de messagerie du destinataire est introuvable.\n\nInformations de diagnostic pour les administrateurs :\n\nServeur de génération : mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nEn-têtes de message d'origine :\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in Italian",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Non recapitabile: Ciao",
        text="Impossibile recapitare il messaggio ai seguenti destinatari o liste di distribuzione:\n\nbob@there.example\nLa cassetta postale del destinatario è piena.\n\nInformazioni di diagnostica per gli amministratori:\n\nServer di generazione: mx.example\n\nbob@there.example\n#550 5.2.2 STOREDRV.Deliver; mailbox full ##\n\nIntestazioni originali del messaggio:\n" + _OURS,
        says=((BOB, "mailbox_full"),),
    ),
    Family(
        name="exchange 2007 in Swedish",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Kan inte levereras: Hej",
        text="Det gick inte att leverera till följande mottagare eller distributionslistor:\n\nbob@there.example\n\nDiagnostisk information för administratörer:\n\nGenererande server: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nUrsprungligt meddelandehuvud:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in Spanish",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="No se puede entregar: Hola",
        text="Error de entrega a estos destinatarios o listas de distribución:\n\nbob@there.example\n\nInformación de diagnóstico para los administradores:\n\nGenerando servidor: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nEncabezados de mensajes originales:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in Portuguese",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Não é possível entregar: Olá",
        text="Falha na entrega para estes destinatários ou listas de distribuição:\n\nbob@there.example\n\nInformações de diagnóstico para administradores:\n\nGerando servidor: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nCabeçalhos de mensagem originais:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in Dutch",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Niet bezorgbaar: Hallo",
        text="Kan het bericht niet bezorgen bij de volgende geadresseerden of distributielijsten:\n\nbob@there.example\n\nDiagnostische gegevens voor beheerders:\n\nServer die het bericht heeft gegenereerd: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nOorspronkelijke berichtkoppen:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in Polish",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Niedostarczone: Cześć",
        text="Dostarczenie do następujących adresatów lub list dystrybucyjnych nie powiodło się:\n\nbob@there.example\n\nInformacje diagnostyczne dla administratorów:\n\nSerwer generujący: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nOryginalne nagłówki wiadomości:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in Japanese",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="配信不能: こんにちは",
        text="次の受信者または配布リストへの配信に失敗しました:\n\nbob@there.example\n入力した電子メール アドレスが見つかりませんでした。\n\n管理者向けの診断情報:\n\n生成サーバー: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\n元のメッセージ ヘッダー:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in Chinese",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="无法送达: 你好",
        text="未能向以下收件人或通讯组列表传递邮件:\n\nbob@there.example\n\n供管理员使用的诊断信息:\n\n生成服务器: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\n原始邮件头:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exchange 2007 in Russian",
        author="Microsoft Exchange <postmaster@mx.example>",
        subject="Недоставлено: Привет",
        text="Сбой доставки следующим получателям или спискам рассылки:\n\nbob@there.example\n\nДиагностические сведения для администраторов:\n\nФормирующий сервер: mx.example\n\nbob@there.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nИсходные заголовки сообщения:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exim",
        author="Mail Delivery System <Mailer-Daemon@mx.example>",
        subject="Mail delivery failed: returning message to sender",
        headers=("X-Failed-Recipients: bob@there.example",),
        text="This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
        "  bob@there.example\n    host mx.there.example [192.0.2.9]\n    SMTP error from remote mail server after RCPT TO:<bob@there.example>:\n    550 5.1.1 The email account that you tried to reach does not exist\n\n------ This is a copy of the message, including all the headers. ------\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="exim, an address that is none",
        author="Mail Delivery System <Mailer-Daemon@mx.example>",
        subject="Mail failure - malformed recipient address",
        text="A message that you sent contained a recipient address that was incorrectly\nconstructed:\n\n  bob@there.example bob: malformed address: bob may not follow bob@there.example\n\nThe message has not been delivered to any recipients.\n\n------ This is a copy of your message, including all the headers. ------\n" + _OURS,
        says=((BOB, "bad_address"),),
    ),
    Family(
        name="exim waits",
        author="Mail Delivery System <Mailer-Daemon@mx.example>",
        subject="Warning: message 1abcde-000000-00 delayed 24 hours",
        text="This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on mx.example.\n\nThe address to which the message has not yet been delivered is:\n\n  bob@there.example\n    host mx.there.example: 451 greylisted\n\nNo action is required on your part. Delivery attempts will continue for\nsome time.\n",
        says=((BOB, "greylisted"),),
        kind="delayed",
    ),
    Family(
        name="fml list",
        author="list-admin@there.example",
        subject="Loop Alert: Duplicated Message-ID (bob ML)",
        headers=("X-MLServer: fml [fml 4.0.3 release (20011202/4.0.3)]",),
        text="Duplicated Message-ID in <bob@there.example>.\n\n\nOriginal mail as follows:\n\n   From: alice@ours.example\n   To: bob@there.example\n",
        says=((BOB, "loop"),),
    ),
    Family(
        name="fml list that takes members only",
        author="list-admin@there.example",
        subject="NOT MEMBER article from alice@ours.example (bob ML)",
        headers=("X-MLServer: fml [fml 4.0.3 release (20011202/4.0.3)]",),
        text="Sorry, you are not a member of the list <bob@there.example>.\n\nOriginal mail as follows:\n\n   From: alice@ours.example\n",
        says=((BOB, "restricted"),),
    ),
    Family(
        name="exchange that names people only",
        author="System Administrator <postmaster@mx.example>",
        subject="Undeliverable: Hello",
        headers=("X-Mailer: Internet Mail Service (5.5.2653.19)", "X-MS-Embedded-Report:"),
        text="Your message\n\n  To:      bob@there.example\n  Subject: Hello\n  Sent:    Mon, 2 Mar 2026 10:00:00 +0000\n\ndid not reach the following recipient(s):\n\nBob Builder on Mon, 2 Mar 2026 10:00:01 +0000\n    The recipient name is not recognized\n",
        says=ONE,
    ),
    Family(
        name="symantec cloud",
        author="Mail Delivery System <MAILER-DAEMON@mx.example>",
        subject="Mail Delivery Failure",
        text="This is the mail delivery agent at mx.example.\n\nI was unable to deliver your message to the following addresses:\n\nbob@there.example\n\nReason: 550 5.1.1 Invalid recipient\n\nThe message subject was: Hello\n",
        says=ONE,
    ),
    Family(
        name="facebook",
        author="Mail Delivery Subsystem <MAILER-DAEMON@mx.example>",
        subject="Sorry, your message could not be delivered",
        text="This message was created automatically by the mail system.\n\n<bob@there.example>: 550 5.1.1 RCP-P1 http://postmaster.example/response_codes?ip=192.0.2.1#rcp\n\n<charlie@there.example>: 550 5.1.1 RCP-P2 http://postmaster.example/response_codes?ip=192.0.2.1#rcp\n",
        says=((BOB, "user_unknown"), (CHARLIE, "filtered")),
    ),
    Family(
        name="gmail of old",
        author="Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
        subject="Delivery Status Notification (Failure)",
        text="This is an automatically generated Delivery Status Notification\n\nDelivery to the following recipient failed permanently:\n\n     bob@there.example\n\nTechnical details of permanent failure: \n"
        "Google tried to deliver your message, but it was rejected by the recipient domain. We recommend contacting the other email provider for further information about the cause of this error. The error that the other server returned was: 550 550 5.1.1 <bob@there.example>... User Unknown (state 14).\n\n   ----- Original message -----\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="gmail, the name of the domain",
        author="Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
        subject="Delivery Status Notification (Failure)",
        text="Delivery to the following recipient failed permanently:\n\n     bob@there.example\n\nTechnical details of permanent failure: \nDNS Error: Domain name not found\n\n----- Original message -----\n" + _OURS,
        says=((BOB, "host_unknown"),),
    ),
    Family(
        name="imail",
        author="Postmaster <postmaster@mx.example>",
        subject="Undeliverable Mail",
        headers=("X-Mailer: <SMTP32 v8.22>",),
        text="Unknown user: bob@there.example\n\nOriginal message follows.\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="imail, a full mailbox",
        author="Postmaster <postmaster@mx.example>",
        subject="Undeliverable Mail",
        headers=("X-Mailer: <SMTP32 v8.22>",),
        text="User mailbox exceeds allowed size: bob@there.example\n\nOriginal message follows.\n" + _OURS,
        says=((BOB, "mailbox_full"),),
    ),
    Family(
        name="imail, a virus",
        author="Postmaster <postmaster@mx.example>",
        subject="Undeliverable Mail",
        headers=("X-Mailer: <SMTP32 v8.22>",),
        text="undeliverable to bob@there.example\nrequested action not taken: virus detected\n\nOriginal message follows.\n" + _OURS,
        says=((BOB, "virus"),),
    ),
    Family(
        name="interscan",
        author='"InterScan MSS" <imss@mx.example>',
        subject="Mail could not be delivered",
        text="Sent <<< RCPT TO:<bob@there.example>\nReceived >>> 550 5.1.1 <bob@there.example>... user unknown\n\nUnable to deliver message to <bob@there.example> (and other recipients in the same domain).\n",
        says=ONE,
    ),
    Family(
        name="interscan viruswall",
        author="gateway@mx.example",
        subject="Mail could not be delivered",
        text="****** Message from InterScan E-Mail VirusWall NT ******\n\nThe following mail could not be delivered.\nReason:  Exceeded Maximum Delivery Attempts.  Verify that <bob@there.example> is correct.\n\n*****************     End of message     ***************\n",
        says=((BOB, "expired"),),
    ),
    Family(
        name="kddi",
        author="no-reply@app.auone.example",
        subject="Undeliverable",
        text="Your mail sent on: Mon, 2 Mar 2026 10:00:00 +0900\n    Could not be delivered to: <bob@there.example>\n    As their mailbox is full.\n\n",
        says=((BOB, "mailbox_full"),),
    ),
    Family(
        name="mcafee",
        author="Mail Delivery System <MAILER-DAEMON@mx.example>",
        subject="Mail Delivery Failure",
        text="--- The following addresses had delivery problems ---\n\n<bob@there.example>   (User unknown bob@there.example)\n\n",
        says=ONE,
    ),
    Family(
        name="m-filter",
        author="mailer@mx.example",
        subject="failure notice",
        headers=("X-Mailer: m-FILTER",),
        text="bob@there.example\n-------server message\n550 5.1.1 unknown user <bob@there.example>\n\n-------original message\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="mxlogic",
        author="Mail Delivery System <mailer-daemon@mx.example>",
        subject="Mail delivery failed: returning message to sender",
        headers=("X-MX-Bounce: mta/src/queue/bounce",),
        text="This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  <bob@there.example>:  550 5.1.1 <bob@there.example>... User Unknown\n\n\n------ This is a copy of the message, including all the headers. ------\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="mailfoundry",
        author="<MAILER-DAEMON@mx.example>",
        subject="Message delivery has failed",
        text="This is a delivery failure notification message.\n\nUnable to deliver message to: <bob@there.example>\nDelivery failed for the following reason:\nServer mx.there.example[192.0.2.9] failed with: 550 <bob@there.example> No such user here\n\nThis has been a permanent failure.  No further delivery attempts will be made.\n",
        says=ONE,
    ),
    Family(
        name="mailmarshal",
        author="postmaster@mx.example",
        subject='Undeliverable Mail: "Hello"',
        text="Your message:\n   From:    alice@ours.example\n   Subject: Hello\n\nCould not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected: \n    bob@there.example\n    charlie@there.example\n\n\nAdditional Information\n======================\nOriginal Sender:    <alice@ours.example>\nSender-MTA:         <192.0.2.1>\nRemote-MTA:         <192.0.2.9>\n",
        says=((BOB, "user_unknown"), (CHARLIE, "user_unknown")),
    ),
    Family(
        name="messaging server",
        author="Internet Mail Delivery <postmaster@mx.example>",
        subject="Delivery Notification: Delivery has failed",
        text="This report relates to a message you sent with the following header fields:\n\n  Message-id: <our-1@ours.example>\n  Date: Mon, 02 Mar 2026 10:00:00 +0000\n  From: Alice <alice@ours.example>\n  To: bob@there.example\n  Subject: Hello\n\nYour message cannot be delivered to the following recipients:\n\n"
        "  Recipient address: bob@there.example\n  Reason: Remote SMTP server has rejected address\n  Diagnostic code: smtp;550 5.1.1 <bob@there.example>... User Unknown\n  Remote system: dns;mx.there.example (TCP|192.0.2.1|47323|192.0.2.9|25) (mx.there.example ESMTP)\n",
        says=ONE,
    ),
    Family(
        name="notes",
        author="postmaster@mx.example",
        subject="Delivery failed",
        text="------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\nbob@there.example\n\n\n------- Returned Message --------\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="outlook.com",
        author="postmaster@hotmail.example",
        subject="Delivery Status Notification (Failure)",
        text="This is an automatically generated Delivery Status Notification.\n\nUnable to deliver message to the following recipients, due to being unable to connect successfully to the destination mail server.\n\n       bob@there.example\n\n",
        says=((BOB, "network_error"),),
    ),
    Family(
        name="opensmtpd",
        author="Mailer Daemon <MAILER-DAEMON@mx.example>",
        subject="Delivery status notification",
        text="    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n    An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n\nbob@there.example: 550 5.2.2 <bob@there.example>: Mailbox Full\n\n    Below is a copy of the original message:\n\n" + _OURS,
        says=((BOB, "mailbox_full"),),
    ),
    Family(
        name="postfix",
        author="MAILER-DAEMON@mx.example (Mail Delivery System)",
        subject="Undelivered Mail Returned to Sender",
        text="This is the mail system at host mx.example.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n\n                   The mail system\n\n"
        "<bob@there.example>: host mx.there.example[192.0.2.9] said: 550 5.1.1\n    <bob@there.example>: Recipient address rejected: User unknown in relay recipient table\n    (in reply to RCPT TO command)\n\n<charlie@there.example>: Host or domain name not found. Name service error\n    for name=there.example type=A: Host not found\n",
        says=((BOB, "user_unknown"), (CHARLIE, "host_unknown")),
    ),
    Family(
        name="qmail",
        author="MAILER-DAEMON@mx.example",
        subject="failure notice",
        text="Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<bob@there.example>:\n192.0.2.9 does not like recipient.\nRemote host said: 550 5.1.1 <bob@there.example>... User Unknown\nGiving up on 192.0.2.9.\n\n--- Below this line is a copy of the message.\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="qmail in Italian",
        author="MAILER-DAEMON@mx.example",
        subject="failure notice",
        text="Ciao. Questo e' il programma di posta di mx.example.\nNon e' stato possibile consegnare il messaggio ai seguenti indirizzi.\n\n<bob@there.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Di seguito la copia del messaggio.\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="sendgrid",
        author="MAILER-DAEMON@sendgrid.example",
        subject="Undelivered Mail Returned to Sender",
        text="This is an automatically generated message from SendGrid.\n\nI'm sorry to have to tell you that your message was not able to be delivered to one of its intended recipients.\n\nIf you require assistance with this, please contact SendGrid support.\n\nalice:000000:<bob@there.example> : 192.0.2.9 : mx.there.example:[192.0.2.9] :\n   550 5.1.1 <bob@there.example>... User Unknown  in RCPT TO\n",
        says=ONE,
    ),
    Family(
        name="surfcontrol",
        author="Mail Delivery System <postmaster@mx.example>",
        subject="Message could not be delivered",
        headers=("X-SEF-Processed: 0_0_0_000__2026_03_02",),
        text="Your message could not be sent.\nA transcript of the attempts to send the message follows.\nThe number of attempts made: 1\nAddressed To: bob@there.example\n\nMon 02 Mar 2026 10:00:00 +0000\nFailed to send to identified host,\nbob@there.example: [192.0.2.9], 550 bob@there.example... No such user\n\n--- Message non-deliverable.\n",
        says=ONE,
    ),
    Family(
        name="mobile operator",
        author="post_master@vtext.example",
        subject="Undeliverable message",
        text="Message could not be delivered to mobile.\nError: No valid recipients for this MM\n\nMessage details:\n  Subject: Hello\n  Sent date: Mon Mar 02 10:00:00 UTC 2026\n  MAIL FROM: alice@ours.example\n  RCPT TO: bob@there.example\n",
        says=ONE,
    ),
    Family(
        name="delivery errors in brackets",
        author="Mail Deliver System <MAILER-DAEMON@mx.example>",
        subject="Returned Mail: User Unknown",
        text="The original message was received at Mon, 02 Mar 2026 10:00:00 +0000\nfrom alice@ours.example\n\n---The following addresses had delivery errors---\n\nbob@there.example [User unknown]\n",
        says=ONE,
    ),
    Family(
        name="unable to deliver, in one line",
        author="MAILER-DAEMON@mx.example",
        subject="Delivery failure",
        text="This message was generated by mx.example.\n\nUnable to deliver message to the following address(es).\n\n<bob@there.example>:\nThis user doesn't have a there.example account (bob@there.example) [0]\n\n--- Original message follows.\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="stars and double lines",
        author="Mail Delivery System <Mailer-Daemon@mx.example>",
        subject="Delivery status notification",
        text="============================================================================\n      This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients.\n\nThe following address(es) failed:\n\n=====================================================================\n      * bob@there.example\n\n=====================================================================\nThis message has been rejected for the following reason:\n\n      Unrouteable address\n",
        says=ONE,
    ),
    Family(
        name="trouble delivering",
        author="Mail System <noreply@mx.example>",
        subject="There was an error sending your mail",
        text="We had trouble delivering your message. Full details follow:\n\nSubject: 'Hello'\nDate: 'Mon, 02 Mar 2026 10:00:00 +0000'\n\n1 error(s):\n\nSMTP Server <mx.there.example> rejected recipient <bob@there.example> \n  (Error following RCPT command). It responded as follows: [550 5.1.1 User unknown]\n\n",
        says=ONE,
    ),
    Family(
        name="yahoo",
        author="MAILER-DAEMON@yahoo.example",
        subject="Failure Notice",
        text="Sorry, we were unable to deliver your message to the following address.\n\n<bob@there.example>:\nRemote host said:\n552 5.2.2 <bob@there.example>... Mailbox Full [RCPT_TO]\n\n--- Below this line is a copy of the message.\n" + _OURS,
        says=((BOB, "mailbox_full"),),
    ),
    Family(
        name="zoho",
        author="mailer-daemon@mail.zoho.example",
        subject="Undelivered Mail Returned to Sender",
        text="This message was created automatically by mail delivery software.\n A message that you sent could not be delivered to one or more of its recipients. This is a permanent error. \n\nbob@there.example Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 <bob@there.example>... User Unknown\n\n\nReceived:from mail.zoho.example by mx.example\n",
        says=ONE,
    ),
    Family(
        name="zoho, with a status",
        author="mailer-daemon@mail.zoho.example",
        subject="Undelivered Mail Returned to Sender",
        text="This message was created automatically by mail delivery software.\n A message that you sent could not be delivered to one or more of its recipients.\n\n[Status: Error, Address: <bob@there.example>, ResponseCode 421, , Host not reachable.]\n",
        says=((BOB, "network_error"),),
    ),
    Family(
        name="mdaemon",
        author="MDaemon@mx.example",
        subject="Permanent Delivery Failure",
        text="The following data may contain sections which represent BASE64 encoded\nfile attachments.\n\n----------\nThe attached message had PERMANENT fatal delivery errors!\n\nAfter one or more unsuccessful delivery attempts the attached message has\nbeen removed from the mail queue on this server.\n\nFailed address: bob@there.example\n\n--- Session Transcript ---\n <-- 550 5.1.1 No such user\n",
        says=ONE,
    ),
    Family(
        name="groupwise",
        author="Mailer-Daemon@mx.example",
        subject="Message status - undeliverable",
        text="The message that you sent was undeliverable to the following:\n\tbob@there.example (user not found)\n\nPossibly truncated original message follows:\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="smartermail",
        author="System Administrator <postmaster@mx.example>",
        subject="Delivery Failure",
        text="Could not deliver message to the following recipient(s):\n\nFailed Recipient: bob@there.example\nReason: Remote host said: 550 No such user\n\n   -- The header and top 20 lines of the message follows --\n" + _OURS,
        says=ONE,
    ),
    Family(
        name="hmailserver",
        author="mailer-daemon@mx.example",
        subject="Message undeliverable: Hello",
        text="Your message did not reach some or all of the intended recipients.\n\n   Sent: Mon, 2 Mar 2026 10:00:00 +0000\n   Subject: Hello\n\nThe following recipient(s) could not be reached:\n\nbob@there.example\n   Error Type: SMTP\n   Remote server (192.0.2.9) issued an error.\n   hMailServer sent: RCPT TO:<bob@there.example>\n   Remote server replied: 550 5.1.1 unknown user\n\nhMailServer\n",
        says=ONE,
    ),
    Family(
        name="mailenable",
        author="postmaster@mx.example",
        subject="Message Delivery Failure",
        text="MailEnable: Message could not be delivered to some recipients.\nThe following recipient(s) could not be reached:\n\n\tRecipient: [SMTP:bob@there.example]\n\tReason: The message could not be delivered because the domain name (there.example) does not appear to be registered.\n\n\nMessage headers follow:\n" + _OURS,
        says=((BOB, "host_unknown"),),
    ),
    Family(
        name="mercury",
        author="Mail System <postmaster@mx.example>",
        subject="Postmaster Notify: Delivery Failure.",
        text="The local mail transport system has reported the following problems\nit encountered while trying to deliver your message:\n\n*** bob@there.example\n550 5.1.1 unknown user\n\n-----------------\n",
        says=ONE,
    ),
    Family(
        name="symantec gateway",
        author="Symantec_Mail_Gateway@mx.example",
        subject="Delivery failure notification",
        text="Your message with Subject: Hello\ncould not be delivered to the following recipients:\n\nBob@there.example\n\nPlease do not resend your original message.\n\nDelivery attempts will continue to be made for 5  day(s).\n",
        says=((BOB, "expired"),),
        kind="delayed",
    ),
    Family(
        name="mimecast",
        author='"Mail Delivery System" <mailer-daemon@mx.example>',
        subject="[Postmaster] Email Delivery Failure",
        text="This is a delivery failure notification message indicating that\nan email you addressed to email address :\n-- bob@there.example\n\ncould not be delivered. The problem appears to be :\n-- Recipient email server rejected the message\n\nAdditional information follows :\n-- 5.1.1 User unknown\n",
        says=ONE,
    ),
    Family(
        name="qq",
        author="PostMaster@qq.example",
        subject="系统退信/Systems bounce",
        text="很抱歉您发送的邮件被退回，以下是该邮件的相关信息：\n\n被退回邮件\n主题：你好\n时间：2026-03-02 10:00:00\n无法发送到 bob@there.example\n退信原因 收件人邮件地址不存在，邮件无法送达。\n",
        says=ONE,
    ),
    Family(
        name="yandex in Russian",
        author="mailer-daemon@yandex.example",
        subject="Недоставленное сообщение",
        text="Это письмо отправлено почтовым сервером yandex.example.\n\nК сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может\nбыть отправлено одному или нескольким адресатам.\n\n<bob@there.example>: Такой пользователь не найден\n",
        says=ONE,
    ),
    Family(
        name="google groups",
        author="Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
        subject="Delivery Status Notification (Failure)",
        headers=("X-Failed-Recipients: bob@there.example",),
        text="Hello alice@ours.example,\n\nWe're writing to let you know that the group you tried to contact (bob) may not exist, or you may not have permission to post messages to the group. A few more details on why you weren't able to post:\n\n * You might have spelled or formatted the group name incorrectly.\n * The owner of the group may have removed this group.\n",
        says=((BOB, "restricted"),),
    ),
)  # fmt: skip
