"""The words by which mail programs announce a quotation, a forward or their own name, in many languages.

Duty: tables only; `quotes` decides. A language is added by adding its words here.
"""

from __future__ import annotations

# "On Monday Alice wrote:" begins with one of these (before a date) ...
OPENINGS = (
    "On", "At", "Am", "Um", "Le", "El", "Il", "Em", "No dia", "A", "Op", "Den", "På", "Kl", "W dniu",
    "Dnia", "Dne", "Dňa", "In data", "Il giorno", "Pe", "La data de", "Vào", "Pada", "Tanggal", "Στις",
    "Þann", "În", "На", "V", "U", "Kuupäev", "Missatge de", "Wiadomość napisana przez", "في", "در تاریخ", "เมื่อ", "在", "于",
)  # fmt: skip

# ... and ends with one of these, most of them before a colon.
VERBS = (
    "wrote",
    "writes",
    "schrieb",
    "schreibt",
    "geschrieben",
    "a écrit",
    "a ecrit",
    "écrit",
    "escribió",
    "escribio",
    "ha escrito",
    "ha scritto",
    "scrive",
    "escreveu",
    "schreef",
    "geschreven",
    "skrev",
    "kirjoitti",
    "napisał",
    "napisała",
    "napisał(a)",
    "pisze",
    "napsal",
    "napsala",
    "napsal(a)",
    "napísal",
    "napísal(a)",
    "написал",
    "написала",
    "написал(а)",
    "пишет",
    "написав",
    "пише",
    "a scris",
    "írta",
    "ezt írta",
    "yazdı",
    "şunu yazdı",
    "έγραψε",
    "đã viết",
    "menulis",
    "va escriure",
    "idatzi zuen",
    "napisao",
    "je napisal",
    "rašė",
    "rakstīja",
    "kirjutas",
    "写道",
    "寫道",
    "書きました",
    "のメール",
    "작성",
    "님이 작성",
    "님이 씀",
    "כתב",
    "כתבה",
    "كتب",
    "เขียนว่า",
    "skrifaði",
    "kirjutas",
    "написа",
    "написао",
    "написала је",
    "је написао/ла",
    "napisao je",
    "napisala je",
    "napisala",
    "je napisala",
    "je napisao",
    "نوشت",
    "लिखा",
    "ने लिखा",
    "hau idatzi du",
    "书写",
    "さんは書きました",
    "skrev",
    "rakstija",
)

# Verbs that stand in the middle: "Alice <alice@shop.example> ezt írta (2024. jan. 2., 15:04):"
INNER_VERBS = (
    "wrote",
    "schrieb",
    "a écrit",
    "escribió",
    "ha scritto",
    "escreveu",
    "schreef",
    "skrev",
    "kirjoitti",
    "napisał",
    "napisana przez",
    "napsal",
    "napísal",
    "написал",
    "пише",
    "ezt írta",
    "şunları yazdı",
    "yazdı",
    "hau idatzi du",
    "missatge de",
    "heeft",
    "message de",
    "mensaje de",
    "kirjutas",
    "skrifaði",
    "menulis",
    "بواسطة",
    "写道",
    "寫道",
)

# "Quoting Alice:", which counts above marked lines alone.
QUOTING = (
    "quoting", "zitat von", "zitiere", "citando", "citando a", "citation de", "citeren", "citaat van", "cytowanie", "citace",
    "citerar", "citerer", "lainaus", "цитирую", "παραθέτοντας", "quoted from", "in reply to",
)  # fmt: skip

# The labels of a quoted header block.
FROM = (
    "from", "von", "de", "da", "van", "fra", "från", "od", "feladó", "lähettäjä", "от", "від", "kimden",
    "gönderen", "από", "发件人", "寄件者", "寄件人", "差出人", "送信者", "보낸 사람", "从", "expéditeur",
    "remitente", "mittente", "absender", "afzender", "remetente", "đến từ", "người gửi", "expeditor", "מאת",
    "dari", "de la", "šalje", "pošiljatelj", "nuo", "saatja", "من", "จาก", "từ", "frá", "de part de", "nga", "šta", "од", "pošiljalac",
)  # fmt: skip
DATE = (
    "date", "sent", "datum", "gesendet", "envoyé", "envoyé le", "message du", "verzonden", "inviato",
    "inviata", "data", "fecha", "enviado", "enviado el", "enviada em", "enviada", "dato", "sendt",
    "skickat", "wysłano", "wysłane", "odesláno", "dátum", "elküldve", "küldve", "lähetetty", "päivämäärä",
    "päiväys", "дата", "отправлено", "надіслано", "tarih", "gönderildi", "ημερομηνία", "στάλθηκε",
    "发送时间", "发送日期", "日期", "寄件日期", "傳送時間", "送信日時", "日付", "보낸 날짜", "날짜",
    "trimis", "נשלח", "ngày", "đã gửi", "terkirim", "tanggal", "sent at", "date d'envoi", "odoslané", "odoslaný",
    "poslano", "poslato", "изпратено", "išsiųsta", "nosūtīts", "saadetud", "kuupäev", "تم الإرسال", "التاريخ", "ส่ง", "วันที่",
    "enviat", "sent on", "date and time", "posted at", "dagsetning", "датум", "послато",
)  # fmt: skip
TO = (
    "to", "an", "à", "a", "aan", "para", "til", "till", "do", "címzett", "vastaanottaja", "кому", "kime",
    "alıcı", "προς", "收件人", "收件者", "宛先", "받는 사람", "komu", "către", "אל", "đến", "kepada", "cc",
    "kopie", "copie", "copie à", "kopi", "kopia", "kopio", "cópia", "copia", "másolat", "копия", "копія",
    "抄送", "副本", "참조", "bilgi", "destinataire", "destinatario", "kam", "prima", "za", "до",
    "adressaat", "إلى", "ถึง", "pour", "per a", "primatelj", "адресат",
)  # fmt: skip
SUBJECT = (
    "subject", "betreff", "objet", "sujet", "onderwerp", "oggetto", "asunto", "assunto", "emne", "ämne",
    "temat", "předmět", "predmet", "tárgy", "aihe", "тема", "konu", "θέμα", "主题", "主旨", "主題", "件名",
    "제목", "subiect", "נושא", "chủ đề", "tiêu đề", "perihal", "subjek", "re",
    "tema", "относно", "zadeva", "teema", "tēma", "الموضوع", "เรื่อง", "assumpte", "efni", "предмет", "тема сообщения",
)  # fmt: skip

# Lines that stand above what was forwarded or answered, between dashes or alone before a colon.
SEPARATORS = (
    "original message", "original appointment", "original email", "original mail", "forwarded message",
    "forwarded email", "begin forwarded message", "reply message", "ursprüngliche nachricht",
    "originalnachricht", "original-nachricht", "ursprüngliche mail", "weitergeleitete nachricht",
    "anfang der weitergeleiteten nachricht", "anfang der weitergeleiteten e-mail", "message d'origine",
    "message original", "message initial", "message transféré", "message réexpédié",
    "début du message réexpédié", "début du message transféré", "mensaje original", "mensaje reenviado",
    "inicio del mensaje reenviado", "messaggio originale", "messaggio inoltrato",
    "inizio messaggio inoltrato", "mensagem original", "mensagem encaminhada", "mensagem reencaminhada",
    "início da mensagem encaminhada", "oorspronkelijk bericht", "origineel bericht", "doorgestuurd bericht",
    "begin doorgestuurd bericht", "ursprungligt meddelande", "originalmeddelande",
    "vidarebefordrat meddelande", "vidarebefordrat brev", "oprindelig besked", "oprindelig meddelelse",
    "original besked", "videresendt besked", "videresendt meddelelse", "opprinnelig melding",
    "videresendt melding", "alkuperäinen viesti", "edelleenlähetetty viesti", "wiadomość oryginalna",
    "oryginalna wiadomość", "wiadomość przekazana", "przekazana wiadomość", "původní zpráva",
    "původní e-mail", "přeposlaná zpráva", "pôvodná správa", "eredeti üzenet", "továbbított üzenet",
    "mesaj original", "mesajul original", "özgün ileti", "orijinal mesaj", "iletilen mesaj",
    "исходное сообщение", "оригинальное сообщение", "пересылаемое сообщение", "пересланное сообщение",
    "переадресованное сообщение", "начало переадресованного сообщения", "оригінальне повідомлення",
    "переслане повідомлення", "αρχικό μήνυμα", "原始邮件", "原始郵件", "原邮件", "转发邮件", "转发的邮件",
    "轉寄郵件", "轉寄的郵件", "元のメッセージ", "転送メッセージ", "转发邮件信息", "원본 메시지",
    "전달된 메시지", "thư gốc", "pesan asli",
    "original message follows", "reply separator", "izvorna poruka", "originalna poruka", "izvirno sporočilo", "özgün ileti mesajı",
    "orijinal ileti", "оригинално съобщение", "оригинална порука", "הודעה מקורית", "الرسالة الأصلية", "ข้อความต้นฉบับ",
    "pôvodný e-mail", "originalus laiškas", "sākotnējais ziņojums", "algne kiri", "missatge original", "pesan asal", "mensagem anterior",
    "ursprüngliche e-mail", "originele bericht", "courriel original", "message original", "원본 메일", "原始消息", "回复信息",
)  # fmt: skip

# "Sent from my iPhone" in the languages of telephones; the device follows.
SENT_FROM = (
    "sent from", "sent via", "sent with", "sent using", "sent by", "von meinem", "von meiner", "gesendet von",
    "gesendet mit", "gesendet über", "gesendet aus", "diese nachricht wurde von", "diese nachricht wurde mit", "envoyé de", "envoyé depuis",
    "envoyé à partir de", "envoyé avec", "envoyé via", "enviado desde", "enviado con", "enviado do", "enviado de",
    "enviado pelo", "enviado a partir do", "enviado via", "inviato da", "inviato dal", "inviato con", "inviato tramite", "verzonden vanaf",
    "verstuurd vanaf", "verstuurd vanuit", "verzonden met", "verstuurd met", "verzonden via", "skickat från", "skickat med",
    "sendt fra", "sendt med", "sendt via", "lähetetty", "wysłane z", "wysłano z", "wysłane przez", "odesláno z", "odesláno ze",
    "odoslané z", "odoslané zo", "elküldve", "отправлено с", "отправлено из", "надіслано з", "изпратено от", "poslano s", "poslano iz",
    "poslato sa", "gönderildi", "発信元", "发自", "從我的", "從", "送信元", "trimis de pe", "trimis din", "στάλθηκε από", "được gửi từ",
    "đã gửi từ", "gửi từ", "dikirim dari", "enviat des", "enviat des del", "saadetud minu", "išsiųsta iš", "nosūtīts no", "sent fra",
    "נשלח מ", "أرسلت من", "أُرسلت من", "ส่งจาก", "来自", "發自", "iphoneから", "나의",
)  # fmt: skip

# What stands behind the device instead: "iPhone'umdan gönderildi".
SENT_BEHIND = (
    "küldve", "gönderildi", "gesendet", "送信", "보냄", "보낸", "傳送", "发送", "發送", "gesendet.", "küldve.", "gönderildi.",
)  # fmt: skip

# "Get Outlook for Android": the verb, before or behind.
GET = (
    "get", "download", "obtenir", "téléchargez", "télécharger", "obtener", "descargar", "obter", "obtenha", "transferir", "ottieni",
    "scarica", "hämta", "hent", "få", "last", "hanki", "lataa", "pobierz", "získat", "stáhnout", "získať", "beszerezheti", "letöltés",
    "obțineți", "obţineţi", "descărcați", "скачать", "отримати", "завантажити", "изтеглете", "preuzmite", "prenesite", "λήψη", "αποκτήστε",
    "herunterladen", "holen", "downloaden", "ophalen", "edinin", "indirin", "获取", "下载", "取得", "入手", "dapatkan", "tải", "baixe",
)  # fmt: skip
APPS = (
    "outlook",
    "bluemail",
    "blue mail",
    "aqua mail",
    "nine",
    "spark",
    "edison mail",
    "type app",
    "typeapp",
    "newton",
    "canary",
)
SYSTEMS = ("ios", "android", "iphone", "ipad", "windows", "mac")

DEVICES = (
    "iphone", "iphon", "ipad", "ipod", "android", "blackberry", "samsung", "galaxy", "huawei", "xiaomi", "redmi",
    "oneplus", "pixel", "nokia", "htc", "sony", "motorola", "mobile", "mobil", "móvil", "celular",
    "smartphone", "mobiltelefon", "phone", "handy", "telefon", "téléphone", "windows", "outlook", "yahoo",
    "gmail", "protonmail", "proton mail", "gmx", "web.de", "k-9 mail", "aqua mail", "bluemail", "mailbird",
    "mail app", "airmail", "acompli", "sparrow", "surface", "tablet", "verizon", "t-mobile", "vodafone",
    "fairmail", "thunderbird", "tutanota", "superhuman", "mailspring", "mail.ru", "яндекс", "телефон",
    "айфон", "的iphone", "手机", "zoho", "mail.com", "icloud", "hotmail", "aol", "fastmail", "hey", "spark", "mail for", "почты",
    "apparecchio", "appareil", "dispositivo", "tutao", "mailbox",
)  # fmt: skip

# Of these separators, the ones that say that a mail was passed on, not answered.
FORWARDS = (
    "forwarded message", "forwarded email", "forwarded mail", "begin forwarded message", "start of forwarded message",
    "weitergeleitete nachricht", "weitergeleitete e-mail", "anfang der weitergeleiteten nachricht",
    "anfang der weitergeleiteten e-mail", "message transféré", "message réexpédié", "courriel transféré",
    "début du message réexpédié", "début du message transféré", "mensaje reenviado", "correo reenviado",
    "inicio del mensaje reenviado", "messaggio inoltrato", "inizio messaggio inoltrato", "mensagem encaminhada",
    "mensagem reencaminhada", "início da mensagem encaminhada", "início da mensagem reencaminhada",
    "doorgestuurd bericht", "begin doorgestuurd bericht", "vidarebefordrat meddelande", "vidarebefordrat brev",
    "vidarebefordrat mejl", "början på vidarebefordrat meddelande", "videresendt besked", "videresendt meddelelse",
    "start på videresendt besked", "videresendt melding", "videresendt e-post", "edelleenlähetetty viesti",
    "välitetty viesti", "välitetty viesti alkaa", "wiadomość przekazana", "przekazana wiadomość",
    "początek przekazywanej wiadomości", "przeposlaná zpráva", "přeposlaná zpráva", "začátek přeposlané zprávy",
    "preposlaná správa", "továbbított üzenet", "továbbított levél", "iletilen mesaj", "yönlendirilen ileti",
    "yönlendirilmiş ileti", "пересылаемое сообщение", "пересланное сообщение", "переадресованное сообщение",
    "начало переадресованного сообщения", "начало пересылаемого сообщения", "переслане повідомлення",
    "переадресоване повідомлення", "προωθημένο μήνυμα", "转发邮件", "转发的邮件", "轉寄郵件", "轉寄的郵件",
    "转发邮件信息", "转发的消息", "已轉寄的郵件", "転送メッセージ", "転送されたメッセージ", "転送メール", "전달된 메시지", "전달된 메일",
    "mesaj redirecționat", "mesaj transmis", "mesaj redirectionat", "thư được chuyển tiếp", "thư đã chuyển tiếp",
    "pesan diteruskan", "pesan terusan", "missatge reenviat", "proslijeđena poruka", "prosleđena poruka",
    "posredovano sporočilo", "persiųstas laiškas", "pārsūtītā ziņa", "edastatud kiri", "препратено съобщение",
    "הודעה שהועברה", "رسالة معاد توجيهها", "رسالة محولة", "ข้อความที่ส่งต่อ",
)  # fmt: skip

# How a paragraph begins that lawyers put below every mail.
DISCLAIMERS = (
    "disclaimer", "confidentiality notice", "confidentiality note", "legal notice", "privileged and confidential",
    "this e-mail and any", "this email and any", "this message and any", "this e-mail message", "this e-mail is confidential",
    "this email is confidential", "this message is confidential", "this communication is", "the information contained in this",
    "the information in this e", "the contents of this e", "the content of this e", "this message contains confidential",
    "this email contains confidential", "this e-mail contains confidential", "this message is intended", "this email is intended",
    "this e-mail is intended", "diese e-mail enthält vertrauliche", "diese e-mail kann vertrauliche", "der inhalt dieser e-mail",
    "diese nachricht ist vertraulich", "diese e-mail ist vertraulich", "ce message et toutes", "ce message et ses pièces",
    "ce courriel et", "ce message est confidentiel", "este mensaje y sus", "este correo electrónico y", "este mensaje es confidencial",
    "este mensaje contiene", "este mensaje va dirigido", "esta mensagem e", "esta mensagem pode conter", "esta mensagem contém",
    "este e-mail e", "questo messaggio", "le informazioni contenute", "la presente e-mail", "dit bericht en", "dit e-mailbericht",
    "deze e-mail", "de informatie in dit", "detta meddelande", "denne e-mail", "denne meddelelse", "denne e-posten", "tämä viesti",
    "tämä sähköposti", "ta wiadomość", "niniejsza wiadomość", "treść tej wiadomości", "tento e-mail", "táto správa", "ez az üzenet",
    "ez az e-mail", "acest mesaj", "acest e-mail", "это сообщение", "данное сообщение", "настоящее сообщение", "це повідомлення",
    "bu e-posta", "bu mesaj", "το παρόν μήνυμα", "αυτό το μήνυμα", "本邮件", "此邮件", "本郵件", "本メール", "このメールは", "이 메일은", "본 메일은",
)  # fmt: skip
# A word that such a paragraph has, too.
CONFIDENTIAL = (
    "confidential", "privileged", "intended", "vertraulich", "confidentiel", "confidencial", "riservat", "confidenziali", "vertrouwelijk",
    "konfidentiell", "fortrolig", "konfidensiell", "luottamuks", "poufn", "důvěrn", "dôvern", "bizalmas", "confidențial", "confidenţial",
    "конфиденц", "конфіденц", "gizli", "εμπιστευτικ", "保密", "机密", "機密", "秘密", "기밀", "비밀", "destin", "bestemd", "adres", "recipient",
)  # fmt: skip

# What stands before the colon of a forward's subject.
FORWARD_MARKS = (
    "fw", "fwd", "wg", "tr", "rv", "enc", "i", "doorst", "vb", "vl", "vlt", "pd", "továbbítás", "tov", "ilt", "пер", "пересл",
    "переслано", "πρθ", "转发", "轉寄", "轉發", "転送", "전달", "prp", "přep", "chuyển tiếp", "teruskan", "הועבר", "إعادة توجيه",
    "ส่งต่อ", "edasi", "persiųsta",
)  # fmt: skip
