"""Attributions, header blocks, separators and signatures as programs write them in many languages."""

from __future__ import annotations

import pytest

from postroom.core.mime.quotes import separate_reply

WORDS = "Thank you, I come at noon."
MARKED = "\n\n> Dear Bob,\n> your bike is ready.\n"
BARE = "\n\nDear Bob,\nyour bike is ready.\n"
A = "Alice <alice@shop.example>"

GMAIL = {
    "en": f"On Tue, Jan 2, 2024 at 3:04\u202fPM {A} wrote:",
    "de": f"Am Di., 2. Jan. 2024 um 15:04 Uhr schrieb {A}:",
    "fr": f"Le mar. 2 janv. 2024 à 15:04, {A} a écrit :",
    "es": "El mar, 2 ene 2024 a las 15:04, Alice (<alice@shop.example>) escribió:",
    "it": f"Il giorno mar 2 gen 2024 alle ore 15:04 {A} ha scritto:",
    "pt-BR": f"Em ter., 2 de jan. de 2024 às 15:04, {A} escreveu:",
    "pt-PT": f"{A} escreveu (terça, 2/01/2024 à(s) 15:04):",
    "nl": f"Op di 2 jan 2024 om 15:04 schreef {A}:",
    "da": f"Den tir. 2. jan. 2024 kl. 15.04 skrev {A}:",
    "no": f"tir. 2. jan. 2024 kl. 15:04 skrev {A}:",
    "sv": f"Den tis 2 jan. 2024 kl 15:04 skrev {A}:",
    "fi": f"ti 2. tammik. 2024 klo 15.04 {A} kirjoitti:",
    "is": f"Þann þri., 2. jan. 2024 kl. 15:04 skrifaði {A}:",
    "pl": f"wt., 2 sty 2024 o 15:04 {A} napisał(a):",
    "cs": f"út 2. 1. 2024 v 15:04 odesílatel {A} napsal:",
    "sk": f"ut 2. 1. 2024 o 15:04 {A} napísal(a):",
    "hu": f"{A} ezt írta (időpont: 2024. jan. 2., K, 15:04):",
    "ro": f"În mar., 2 ian. 2024 la 15:04, {A} a scris:",
    "bg": f"На вт, 2.01.2024 г. в 15:04 {A} написа:",
    "ru": f"вт, 2 янв. 2024 г. в 15:04, {A}:",
    "uk": f"вт, 2 січ. 2024 р. о 15:04 {A} пише:",
    "sr": f"уто, 2. јан 2024. у 15:04 {A} је написао/ла:",
    "hr": f"uto, 2. sij 2024. u 15:04 {A} napisao je:",
    "sl": f"V V tor., 2. jan. 2024 ob 15:04 je oseba {A} napisala:",
    "lt": f"2024-01-02, an, 15:04 {A} rašė:",
    "lv": "otrd., 2024. g. 2. janv., plkst. 15:04 — lietotājs Alice (<alice@shop.example>) rakstīja:",
    "et": f"Kuupäev T, 2. jaanuar 2024 kell 15:04 kirjutas {A}:",
    "el": f"Στις Τρί 2 Ιαν 2024 στις 3:04 μ.μ., ο χρήστης {A} έγραψε:",
    "tr": f"{A}, 2 Oca 2024 Sal, 15:04 tarihinde şunu yazdı:",
    "he": "\u202bבתאריך יום ג׳, 2 בינו׳ 2024 ב-15:04 מאת \u202aAlice\u202c\u200f <\u202aalice@shop.example\u202c\u200f>:\u202c",
    "ar": f"في الثلاثاء، 2 يناير 2024 في 3:04 م تمت كتابة ما يلي بواسطة {A}:",
    "fa": f"در تاریخ سه\u200cشنبه ۲ ژانویهٔ ۲۰۲۴،\u200f ۱۵:۰۴ {A} نوشت:",
    "th": f"เมื่อ อ. 2 ม.ค. 2024 เวลา 15:04 {A} เขียนว่า:",
    "hi": f"मंगल, 2 जन॰ 2024 को 3:04 pm बजे को {A} ने लिखा:",
    "id": f"Pada tanggal Sel, 2 Jan 2024 pukul 15.04 {A} menulis:",
    "vi": f"Vào Th 3, 2 thg 1, 2024 vào lúc 15:04 {A} đã viết:",
    "zh-CN": f"{A} 于2024年1月2日周二 15:04写道：",
    "zh-TW": f"{A} 於 2024年1月2日 週二 下午3:04寫道：",
    "ja": f"2024年1月2日(火) 15:04 {A}:",
    "ko": f"2024년 1월 2일 (화) 오후 3:04, {A}님이 작성:",
    "ca": f"Missatge de {A} del dia dt., 2 de gen. 2024 a les 15:04:",
    "eu": "Alice (<alice@shop.example>) erabiltzaileak hau idatzi du (2024 urt. 2, ar. (15:04)):",
}
OTHERS = {
    "apple nl": f"Op 2 jan. 2024 om 15:04 heeft {A} het volgende geschreven:",
    "apple fi": f"{A} kirjoitti 2.1.2024 kello 15.04:",
    "apple pl": f"Wiadomość napisana przez {A} w dniu 2 sty 2024, o godz. 15:04:",
    "apple cs": f"2. 1. 2024 v 15:04, {A}:",
    "apple ru": f"2 янв. 2024 г., в 15:04, {A} написал(а):",
    "apple ja": "2024/01/02 15:04、Alice <alice@shop.example>のメール:",
    "apple zh": f"在 2024年1月2日，15:04，{A} 写道：",
    "apple ko": f"2024. 1. 2. 오후 3:04, {A} 작성:",
    "apple tr": f"{A} şunları yazdı (2 Oca 2024 15:04):",
    "apple pt": f"No dia 02/01/2024, às 15:04, {A} escreveu:",
    "thunderbird en": "On 1/2/24 15:04, Alice wrote:",
    "thunderbird it": "Il 02/01/24 15:04, Alice ha scritto:",
    "thunderbird es": "El 2/1/24 a las 15:04, Alice escribió:",
    "thunderbird pt": "Em 02/01/2024 15:04, Alice escreveu:",
    "thunderbird nl": "Op 2-1-2024 om 15:04 schreef Alice:",
    "thunderbird cs": "Dne 02. 01. 24 v 15:04 Alice napsal(a):",
    "thunderbird fi": "2.1.2024 15.04, Alice kirjoitti:",
    "thunderbird hu": "2024. 01. 02. 15:04 keltezéssel, Alice írta:",
    "thunderbird sv": "Den 2024-01-02 kl. 15:04, skrev Alice:",
    "yahoo": f"On Tuesday, January 2, 2024 at 03:04:05 PM GMT+1, {A} wrote:",
    "spark": f"On 2 Jan 2024, 15:04 +0100, {A}, wrote:",
    "airmail": "On 2 January 2024 at 15:04:05, Alice (alice@shop.example) wrote:",
    "mutt": "On Tue, Jan 02, 2024 at 03:04:05PM +0100, Alice wrote:",
    "zoho": f"---- On Tue, 02 Jan 2024 15:04:05 +0100 {A} wrote ----",
    "notes": "Alice/Berlin/ACME@ACME wrote on 01/02/2024 03:04:05 PM:",
    "mail.ru": f"Вторник, 2 января 2024, 15:04 +03:00 от {A}:",
    "yandex": '02.01.2024, 15:04, "Alice" <alice@shop.example>:',
    "163": 'At 2024-01-02 15:04:05, "Alice" <alice@shop.example> wrote:',
    "163 zh": '在 2024-01-02 15:04:05，"Alice" <alice@shop.example> 写道：',
    "old outlook": "On 2 Jan 2024, at 15:04, Alice <alice@shop.example<mailto:alice@shop.example>> wrote:",
    "in stars": f"*On Tue, Jan 2, 2024 at 3:04 PM {A} wrote:*",
}


@pytest.mark.parametrize("quotation", [MARKED, BARE], ids=["marked", "bare"])
@pytest.mark.parametrize("attribution", [*GMAIL.values(), *OTHERS.values()], ids=[*GMAIL, *OTHERS])
def test_an_attribution_begins_a_quotation(attribution: str, quotation: str) -> None:
    parts = separate_reply(f"{WORDS}\n\n{attribution}{quotation}")
    assert parts.reply == WORDS
    assert parts.quoted.endswith("your bike is ready.")


@pytest.mark.parametrize("attribution", GMAIL.values(), ids=GMAIL.keys())
def test_an_attribution_that_was_wrapped_is_one_all_the_same(attribution: str) -> None:
    wrapped = (
        attribution.replace(" <alice", "\n<alice") if attribution[:5] != "Alice" else attribution.replace("> ", ">\n")
    )
    assert separate_reply(f"{WORDS}\n\n{wrapped}{MARKED}").reply == WORDS


@pytest.mark.parametrize(
    "line",
    [
        ">>> Alice <alice@shop.example> 1/2/2024 3:04 PM >>>",
        '>>> "Alice" <alice@shop.example> schrieb am Dienstag, 2. Januar 2024 um 15:04 in Nachricht\n<5A.1@shop.example>:',
        ">>> Alice 02.01.2024 15:04 >>>",
    ],
)
def test_groupwise_begins_a_quotation_without_an_end(line: str) -> None:
    assert separate_reply(f"{WORDS}\n\n{line}{BARE}").reply == WORDS


@pytest.mark.parametrize(
    "line",
    [
        f"Quoting {A}:",
        f"Zitat von {A}:",
        f"Citando a {A}:",
        f"Quoting {A} (02 Jan 2024):",
        "Alice <alice@shop.example> writes:",
        "Alice schrieb:",
        "Alice wrote on 1/2/24 3:04 PM:",
    ],
)
def test_an_attribution_without_a_date_needs_marked_lines(line: str) -> None:
    assert separate_reply(f"{WORDS}\n\n{line}{MARKED}").reply == WORDS
    assert "your bike is ready." in separate_reply(f"{WORDS}\n\n{line}{BARE}").reply


BLOCKS = {
    "en": "From: Alice <alice@shop.example>\nSent: Tuesday, January 2, 2024 3:04 PM\nTo: Bob\nSubject: Bike",
    "en, sent by": "From: Alice\nDate: Tuesday, January 2, 2024\nTo: bob@x.example\nCc: Carla\nSubject: Bike",
    "de": "Von: Alice\nGesendet: Dienstag, 2. Januar 2024 15:04\nAn: Bob\nBetreff: Rad",
    "de gmx": 'Gesendet: Dienstag, 2. Januar 2024 um 15:04 Uhr\nVon: "Alice" <alice@shop.example>\nAn: bob@x.example\nBetreff: Rad',
    "fr": "De : Alice\nEnvoyé : mardi 2 janvier 2024 15:04\nÀ : Bob\nObjet : Vélo",
    "fr-CA": "De : Alice\nEnvoyé le : 2 janvier 2024 15:04\nÀ : Bob\nCc : Carla\nObjet : Vélo",
    "es": "De: Alice\nEnviado el: martes, 2 de enero de 2024 15:04\nPara: Bob\nAsunto: Bici",
    "it": "Da: Alice\nInviato: martedì 2 gennaio 2024 15:04\nA: Bob\nOggetto: Bici",
    "pt": "De: Alice\nEnviada: 2 de janeiro de 2024 15:04\nPara: Bob\nAssunto: Bicicleta",
    "nl": "Van: Alice\nVerzonden: dinsdag 2 januari 2024 15:04\nAan: Bob\nOnderwerp: Fiets",
    "da": "Fra: Alice\nSendt: 2. januar 2024 15:04\nTil: Bob\nEmne: Cykel",
    "no": "Fra: Alice\nSendt: tirsdag 2. januar 2024 15:04\nTil: Bob\nEmne: Sykkel",
    "sv": "Från: Alice\nSkickat: den 2 januari 2024 15:04\nTill: Bob\nÄmne: Cykel",
    "fi": "Lähettäjä: Alice\nLähetetty: tiistai 2. tammikuuta 2024 15:04\nVastaanottaja: Bob\nAihe: Pyörä",
    "pl": "Od: Alice\nWysłano: wtorek, 2 stycznia 2024 15:04\nDo: Bob\nTemat: Rower",
    "cs": "Od: Alice\nOdesláno: úterý 2. ledna 2024 15:04\nKomu: Bob\nPředmět: Kolo",
    "sk": "Od: Alice\nOdoslané: utorok 2. januára 2024 15:04\nKomu: Bob\nPredmet: Bicykel",
    "hu": "Feladó: Alice\nElküldve: 2024. január 2. 15:04\nCímzett: Bob\nTárgy: Bicikli",
    "ro": "De la: Alice\nTrimis: marți, 2 ianuarie 2024 15:04\nCătre: Bob\nSubiect: Bicicletă",
    "ru": "От: Alice\nОтправлено: 2 января 2024 г. 15:04\nКому: Bob\nТема: Велосипед",
    "uk": "Від: Alice\nНадіслано: 2 січня 2024 р. 15:04\nКому: Bob\nТема: Велосипед",
    "bg": "От: Alice\nИзпратено: вторник, 2 януари 2024 г. 15:04\nДо: Bob\nОтносно: Колело",
    "el": "Από: Alice\nΣτάλθηκε: Τρίτη, 2 Ιανουαρίου 2024 15:04\nΠρος: Bob\nΘέμα: Ποδήλατο",
    "tr": "Kimden: Alice\nGönderildi: 2 Ocak 2024 Salı 15:04\nKime: Bob\nKonu: Bisiklet",
    "hr": "Šalje: Alice\nPoslano: 2. siječnja 2024. 15:04\nPrima: Bob\nPredmet: Bicikl",
    "sl": "Od: Alice\nPoslano: torek, 02. januar 2024 15:04\nZa: Bob\nZadeva: Kolo",
    "lt": "Nuo: Alice\nIšsiųsta: 2024 m. sausio 2 d. 15:04\nKam: Bob\nTema: Dviratis",
    "et": "Saatja: Alice\nSaadetud: 2. jaanuar 2024 15:04\nAdressaat: Bob\nTeema: Jalgratas",
    "he": "מאת: Alice\nנשלח: יום שלישי 2 ינואר 2024\nאל: Bob\nנושא: אופניים",
    "ar": "من: Alice\nتم الإرسال: الثلاثاء 2 يناير 2024\nإلى: Bob\nالموضوع: دراجة",
    "zh": "发件人: Alice\n发送时间: 2024年1月2日 15:04\n收件人: Bob\n主题: 自行车",
    "zh-TW": "寄件者: Alice\n寄件日期: 2024年1月2日 15:04\n收件者: Bob\n主旨: 自行車",
    "ja": "差出人: Alice\n送信日時: 2024年1月2日 15:04\n宛先: Bob\n件名: 自転車",
    "ko": "보낸 사람: Alice\n보낸 날짜: 2024년 1월 2일\n받는 사람: Bob\n제목: 자전거",
    "vi": "Từ: Alice\nĐã gửi: 2 Tháng Giêng 2024\nĐến: Bob\nChủ đề: Xe đạp",
    "id": "Dari: Alice\nTerkirim: 2 Januari 2024 15:04\nKepada: Bob\nPerihal: Sepeda",
    "th": "จาก: Alice\nส่ง: 2 มกราคม 2024\nถึง: Bob\nเรื่อง: จักรยาน",
    "hotmail": "Date: Tue, 2 Jan 2024 15:04:05 +0000\nSubject: Re: Bike\nFrom: alice@shop.example\nTo: bob@x.example",
    "notes": "From:\tAlice/Berlin/ACME@ACME\nTo:\tBob/Berlin/ACME@ACME\nDate:\t01/02/2024 03:04 PM\nSubject:\tRe: Bike",
    "bold": "*From:* Alice\n*Sent:* Tuesday\n*To:* Bob\n*Subject:* Bike",
    "with a rule": "________________________________\nVon: Alice\nGesendet: Dienstag\nBetreff: Rad",
    "wrapped": "From: Alice\nSent: Tuesday, January 2, 2024\n3:04 PM\nTo: Bob <bob@x.example>; Carla\n<carla@customer.example>\nSubject: Bike",
}  # fmt: skip


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
def test_a_header_block_begins_a_quotation_without_an_end(block: str) -> None:
    parts = separate_reply(f"{WORDS}\n\n{block}{BARE}")
    assert parts.reply == WORDS
    assert parts.quoted.startswith(block.splitlines()[0])


SEPARATORS = [
    "-----Original Message-----", "-----Ursprüngliche Nachricht-----", "----- Message d'origine -----", "-----Mensaje original-----", "-----Messaggio originale-----",
    "-----Mensagem original-----", "-----Oorspronkelijk bericht-----", "-----Ursprungligt meddelande-----", "-----Oprindelig meddelelse-----", "-----Opprinnelig melding-----",
    "-----Alkuperäinen viesti-----", "-----Oryginalna wiadomość-----", "-----Původní zpráva-----", "-----Eredeti üzenet-----", "-----Исходное сообщение-----", "-----Оригінальне повідомлення-----",
    "-----Αρχικό μήνυμα-----", "-----Özgün İleti-----", "-----Izvorna poruka-----", "-----Izvirno sporočilo-----", "-----Mesaj original-----", "-----Оригинално съобщение-----",
    "------------------ 原始邮件 ------------------", "-----原始郵件-----", "-----元のメッセージ-----", "----- 원본 메시지 -----", "-----הודעה מקורית-----", "-----الرسالة الأصلية-----",
    "-----Thư gốc-----", "-----Pesan asli-----", "-------- Original message --------", "‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐", "------- Original Message -------", "-----Original Appointment-----",
    "----- Original message from Alice -----", "-----Original Message Follows-----", "--- Original Message ---", "----Original message----",
]  # fmt: skip


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_separator_begins_a_quotation_without_an_end(separator: str) -> None:
    parts = separate_reply(f"{WORDS}\n\n{separator}\nFrom: Alice\nTo: Bob{BARE}")
    assert parts.reply == WORDS


SIGNATURES = [
    "Sent from my iPhone", "Sent from my iPad", "Sent from my Samsung Galaxy smartphone.", "Sent from my BlackBerry 10 smartphone.", "Sent from Yahoo Mail for iPhone", "Sent from Outlook for Android",
    "Sent from Mail for Windows 10", "Sent from Proton Mail mobile", "Sent with Proton Mail secure email.", "Sent via the Samsung Galaxy S21", "Sent from my Huawei phone", "Sent from my Windows Phone",
    "Sent using Zoho Mail", "Sent from Gmail Mobile", "Get Outlook for iOS", "Get BlueMail for Android", "Von meinem iPhone gesendet", "Gesendet von Outlook für Android", "Gesendet mit der GMX Mail App",
    "Von meinem Samsung Galaxy Smartphone gesendet.", "Diese Nachricht wurde von meinem Android-Mobiltelefon mit GMX Mail gesendet.", "Gesendet von meinem Huawei-Mobiltelefon", "Outlook für iOS herunterladen",
    "Envoyé de mon iPhone", "Envoyé depuis mon appareil Galaxy", "Envoyé à partir de Outlook pour Android", "Obtenir Outlook pour Android", "Télécharger Outlook pour iOS", "Enviado desde mi iPhone",
    "Enviado desde mi dispositivo Samsung Galaxy", "Obtener Outlook para Android", "Enviado do meu iPhone", "Enviado a partir do meu smartphone Samsung Galaxy.", "Obter o Outlook para iOS", "Inviato da iPhone",
    "Inviato dal mio telefono Huawei", "Inviato da Outlook per Android", "Ottieni Outlook per Android", "Verstuurd vanaf mijn iPhone", "Verzonden vanaf mijn Galaxy", "Outlook voor Android downloaden",
    "Skickat från min iPhone", "Hämta Outlook för Android", "Sendt fra min iPhone", "Hent Outlook til iOS", "Få Outlook for iOS", "Lähetetty iPhonesta", "Hanki Outlook for Android", "Wysłane z iPhone'a",
    "Pobierz aplikację Outlook dla systemu Android", "Odesláno z iPhonu", "Odoslané z iPhonu", "Az iPhone-omról küldve", "Trimis de pe iPhone-ul meu", "Отправлено с iPhone", "Отправлено из мобильной Почты Mail.ru",
    "Надіслано з iPhone", "Изпратено от моя iPhone", "Poslano s mog iPhonea", "Poslano iz mojega iPhona", "Στάλθηκε από το iPhone μου", "iPhone'umdan gönderildi", "נשלח מה-iPhone שלי", "أُرسلت من الـ iPhone",
    "发自我的iPhone", "從我的 iPhone 傳送", "iPhoneから送信", "나의 iPhone에서 보냄", "Đã gửi từ iPhone của tôi", "Dikirim dari iPhone saya", "ส่งจาก iPhone ของฉัน", "Enviat des del meu iPhone",
]  # fmt: skip


@pytest.mark.parametrize(
    "quotation", ["", f"\n\nOn Tue, Jan 2, 2024 at 3:04 PM {A} wrote:{MARKED}"], ids=["alone", "above a quotation"]
)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_signature_of_a_telephone_is_no_reply(signature: str, quotation: str) -> None:
    parts = separate_reply(f"{WORDS}\n\n{signature}{quotation}")
    assert parts.reply == WORDS
    assert parts.signature == signature


DISCLAIMERS = [
    "CONFIDENTIALITY NOTICE: This e-mail message is for the sole use of the intended recipient and may contain privileged information.",
    "This email and any attachments are confidential and intended solely for the use of the individual to whom they are addressed.",
    "Diese E-Mail enthält vertrauliche Informationen. Wenn Sie nicht der richtige Adressat sind, informieren Sie bitte den Absender.",
    "Ce message et toutes les pièces jointes sont confidentiels et établis à l'intention exclusive de leurs destinataires, et d'eux seuls.",
    "Este mensaje y sus archivos adjuntos son confidenciales y van dirigidos exclusivamente a su destinatario, y a nadie más que a él.",
    "Questo messaggio è riservato ed è destinato esclusivamente alla persona a cui è indirizzato; se lo avete ricevuto per errore, ditecelo.",
    "Dit bericht en eventuele bijlagen zijn vertrouwelijk en uitsluitend bestemd voor de geadresseerde. Bent u dat niet, meld het ons.",
]


@pytest.mark.parametrize("disclaimer", DISCLAIMERS)
def test_a_disclaimer_below_the_words_is_no_reply(disclaimer: str) -> None:
    wrapped = disclaimer[:60] + "\n" + disclaimer[60:]
    parts = separate_reply(f"{WORDS}\n\nBob\n\n{wrapped}\n")
    assert parts.reply == f"{WORDS}\n\nBob"
    assert parts.signature == wrapped.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        DISCLAIMERS[0],
        "This email and any attachments were lost.",
        "Hello,\nthis email and any attachments are confidential.",
        "Please note:\n\nThis message is confidential.",
        f"{DISCLAIMERS[1]}\n\nIs that text good? What do you think?",
    ],
)
def test_words_about_secrecy_are_words(text: str) -> None:
    assert separate_reply(text).reply == text


def test_an_answer_below_in_between_and_above_is_kept_whole() -> None:
    for attribution in (GMAIL["de"], GMAIL["ja"], OTHERS["thunderbird en"]):
        text = f"Hello,\n\n{attribution}\n> Which colour?\n\nBlue.\n\n> > older words\n> Which size?\nLarge,\nplease.\n\nBob\n-- \nBob's Bikes"
        parts = separate_reply(text)
        assert parts.reply.split() == ["Hello,", "Blue.", "Large,", "please.", "Bob"]
        assert parts.signature == "-- \nBob's Bikes"


SENTENCES = [
    "I wrote to you on 3.4.2024 at 10:30, and nobody answered.",
    "He wrote on 3.4.2024 at 10:30: the bike is broken.",
    "On 3.4.2024 at 10:30 I was in your shop with bob@x.example, and we bought this:\n\n- a bike",
    "Please send it to:\n\nBob <bob@x.example>\nFox Street 130",
    "We use Outlook for Android here.",
    "I have sent it from my phone.\n\nGet well soon!",
    "My phone: iPhone 12\nMy mail program: Outlook for iOS",
    "Sent: yesterday\nParcel: 4711",
    "From: 3 May\nTo: 5 May\nSubject to change.",
    "Von: Berlin\nNach: Paris\nDatum: 5. Mai",
    "De: 10 h\nA: 12 h",
    "Za: 3 dni\nOd: 5 EUR",
    "---\nTitle: A bike\nDate: 2024\n---\nWords.",
    'The message said "Original Message" at the top.',
    "Weitergeleitete Nachricht? Ich habe keine bekommen.",
    "a > b\nand b > c",
    "Quoting your offer:\n\n10 EUR for the bell",
    "The numbers:\n==========\n1\n2\n==========\nBye",
    "Alice schrieb:\n\nnichts Neues",
]


@pytest.mark.parametrize("text", SENTENCES)
def test_ordinary_sentences_stay(text: str) -> None:
    parts = separate_reply(text)
    assert (parts.reply, parts.quoted, parts.signature) == (text, "", "")
