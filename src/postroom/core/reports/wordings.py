"""The words by which servers tell why they refuse: an ordered table, the first row that is found wins.

Laws: lower case, single spaces, addresses replaced by ``a@b`` (see `classifying`); every repetition is bounded, so a row takes
time with the length of the text. A code may have several rows. Before what is general stands what is specific: our own proof of identity, the mailbox,
what they do not want, the address, the way. Codes in brackets and numbers are the providers' published ones.
"""

from __future__ import annotations

import re
from functools import cached_property

# fmt: off
_WORDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # who we are
    ("no_reverse_name", (
        "reverse[- ]dns", "reverse[- ]?lookup", "reverse mapping", r"\bptr\b", r"\brdns\b", "reverse host(?:name)?",
        "cannot find your (?:reverse )?hostname", "cannot resolve your (?:ip )?address",
        "(?:ip|client|host|address)(?: name)? (?:has|without|with) no (?:reverse|dns|name|hostname)", "fix reverse",
        "cannot find your hostname", "unresolvable", "ip name lookup failed",
        "does not (?:have|resolve to) a (?:hostname|valid hostname|reverse)", "hostname (?:lookup|verification) fail",
        "no valid hostname", "forward[- ]confirmed", "mismatches client ip", "bad dns ptr", "cannot resolve your", "your host ?name[^.]{0,20}(?:not|unknown)", "ip address[^.]{0,20}(?:unknown|not found)", r"\bdns-p[12]\b", "cxdns",
    )),
    ("auth_failure", (
        r"\bspf\b", r"\(spf\)", "sender policy framework", "openspf", r"\bdkim\b", r"\bdmarc\b", r"\barc\b (?:seal|chain)",
        "domain-based message auth", "unauthenticated", "not (?:properly )?authenticated email",
        "(?:required|necessary|minimum) (?:level of )?authentication", "authentication (?:level|checks?|requirements?|results?)",
        "email is not authenticated", r"sender id \(", "senderid", "anti-?spoof(?:ing)?", "spoof(?:ed|ing)", "forged", "impersonat",
        "sender authentication", "failed authentication checks",
    )),
    ("sender_suspended", (
        "access denied, bad outbound sender", "not allowed to send (?:any )?mail",
        "(?:daily|hourly|monthly|sender'?s?)[^.]{0,30}(?:sending|submission|relay|message|e-?mail) (?:limit|quota)",
        "(?:your|the) (?:sending|sender'?s?|account'?s?|tenant'?s?|organi[sz]ation'?s?)[^.]{0,40}(?:exceeded|suspended|blocked|disabled|paused)[^.]{0,30}(?:send|limit|threshold|quota)?",
        "tenant (?:has )?exceeded", "message submission rate", "(?:user|account) (?:is )?sending (?:quota|limit)",
        "traffic not accepted from this ip", "unregistered (?:email|domain)", r"\b5\.7\.(?:501|502|503|703|705|708|750)\b",
        "email address is not verified", r"not verified\. the following identities", "sending paused for this account",
        "has exceeded (?:the|its) (?:max )?(?:defers|emails per hour)",
    )),
    ("relay_denied", (
        "relay(?:ing)? (?:mail )?(?:access |attempt )?(?:is |was |has been |of mail )?(?:denied|not permitted|not allowed|prohibited|disallowed|rejected|refused|blocked|disabled|administratively)",
        "unable to relay", "cannot relay",
        "(?:no|not (?:a|an|permitted to|allowed to|authori[sz]ed to|configured to|an open)|refuse to|don'?t|does not|never|won'?t|will not) relay",
        "relay (?:not )?(?:operation|forbidden)", "no third[- ]party",
        "not (?:a )?(?:gateway|configured to (?:accept|handle)|responsible)[^.]{0,30}(?:for|mail)",
        "isn'?t in my list of allowed rcpthosts", "rcpthosts", "not local(?: host)?.{0,20}not a gateway",
        "mail server (?:is )?not .{0,20}responsible", "we (?:do not|don'?t) (?:handle|accept) mail for", "tenantattribution",
    )),
    ("login_required", (
        "authentication (?:is )?required", "must (?:be )?authenticat", "must login", "user ?name or password", "smtp auth", "not authenticated",
        "please (?:log ?in|authenticate)", "authorization failed", "pop before smtp", "check (?:for new )?mail (?:before|first)",
        "(?:username|login|password)[^.]{0,30}(?:not accepted|incorrect|invalid|fail)",
    )),
    ("encryption", (
        "must issue (?:a )?starttls", "starttls (?:is )?(?:required|first|fail|not)",
        "(?:tls|ssl|encryption) (?:is |session )?(?:required|needed|handshake|not available|negotiation|fail)", r"\btlsa\b", "mta-?sts",
        "certificate (?:has )?(?:expired|verif|not|rejected|invalid|untrusted)", "cannot start tls", "secure connection",
    )),
    ("sender_rejected", (
        r"(?:sender|from|envelope from|return[- ]path|mail from|mailfrom|originator|mfrom|reverse-path)\b[^.;]{0,25}(?: address| e-?mail| domain| was| is| host)?:? ?(?:rejected|denied|refused|not allowed|verify fail|verification fail|verification error|callout|invalid|is invalid|does not exist|doesn'?t exist|not exist|has no|must (?:exist|resolve)|unknown|not found|not accepted|blocked|is not (?:valid|permitted)|on (?:the )?black)",
        "(?:bad|invalid|unknown|illegal|fake|bogus|blocked|unresolvable|blacklisted) (?:sender|from|envelope from|return)",
        "domain of sender",
        "sender'?s? (?:e-?mail )?(?:address|domain)[^.]{0,30}(?:does not|not exist|doesn'?t|could not|cannot|is invalid|was rejected|reject)",
        "mailfrom domain", "access denied to sender", "not (?:allowed|authori[sz]ed|permitted) to send (?:as|from|mail from)",
        "permissions? to send as", "sendasdenied", "cannot resolve (?:the )?(?:domain|sender)",
        "(?:helo|ehlo)(?: command| name| hostname| argument)?.{0,40}(?:rejected|invalid|refused|mismatch|not accept|bogus|must|denied|does not)",
        "invalid (?:helo|ehlo)", "my name was rejected", "bad helo", "from header", "multiple from",
        r"\bfrom:? address[^.]{0,30}(?:missing|invalid|rfc)", "user entry", "envelope blocked",
        "sender (?:is )?on (?:the )?(?:user|personal|recipient)", "mx record of (?:the )?sender", "null mx.{0,20}sender",
        "sender.{0,30}null ?mx", "your (?:address|domain) (?:is |has been )?(?:blocked|rejected|refused|denied)",
    )),
    # the mailbox
    ("mailbox_full", (
        r"(?:mailbox|inbox|mail ?box|account|user|recipient|maildir|mail ?folder|mail ?drop|homedir|home directory|message store|incoming|spool)[^.;:]{0,40}(?<!not )\b(?:too )?full\b",
        r"\b(?:is|too) full\b", "overquota", "over ?-?(?:the )?(?:disk )?quota", "out of quota",
        "quota.{0,30}(?:exceed|full|reach|violat|limit|over)", r"exceed.{0,60}\b(?:quota|mailbox|storage|space)\b", "disk ?quota",
        "(?:not enough|no) (?:more )?(?:storage|space|room|disk) (?:space |for (?:this|the) (?:user|mailbox|account))",
        "out of (?:storage|space|storage space)", "storage.{0,20}(?:exceed|full|limit|quota)",
        "too (?:large|much|big)[^.]{0,20}(?:for|in|to fit) (?:the |this )?(?:mailbox|inbox)",
        "(?:mailbox|maildir|account)[^.]{0,40}(?:exceeds?|exceeded|over|reached|limit|too large|size limit)",
        "number of messages in recipient",
        "too many (?:messages|mails) (?:on (?:this )?(?:maildrop|server|mailbox)|in (?:the )?(?:mailbox|inbox|maildrop))",
        "mail ?drop.{0,20}(?:limit|size)", "recipient (?:reached|exceeded|storage)", "insufficient (?:disk )?(?:quota|space)(?! on)",
        "delivery failed: over", "(?:the )?recipient'?s? (?:inbox|mailbox)[^.]{0,40}(?:out|cannot accept|can'?t accept|limit)",
        "message would exceed", "would be over", "dropbox full", "collection of (?:data|mail) exceeds", "user has exhausted",
        "user has too many messages", "mailbox capacity", "postfach (?:ist )?(?:voll|überfüllt)",
        "bo[iî]te (?:aux lettres |de r[eé]ception )?(?:est )?pleine", "quota d[eé]pass", "buz[oó]n (?:est[aá] )?lleno",
        "casella (?:postale )?(?:[eè] )?piena", "caixa (?:postal |de correio )?(?:est[aá] )?cheia", "ящик[^.]{0,20}переполн",
        "переполнен", "(?:邮箱|信箱)[^。]{0,10}(?:已满|满)", "空き容量", "容量(?:を|が)?(?:超|不足|オーバー)", r"\bopfull\b", "storedrv.{0,60}quota",
    )),
    ("has_moved", (
        r"\b(?:user|recipient|mailbox|account|address|he|she|person)\b[^.;:]{0,20}(?:has |have )?(?:been )?(?:moved|replaced)\b",
        "has been replaced by", "no longer (?:uses|using) this", "(?:new|changed)[^.]{0,15} (?:e-?mail )?address is",
        "address (?:has )?changed", "changed (?:to|his|her|their|e-?mail|address)",
        "please (?:use|try) (?:the )?(?:new|following) address", "user not local; please try", "ist umgezogen", "ha cambiado de direcci",
    )),
    ("suspended", (
        r"(?:mailbox|mail ?box|account|user|username|address|recipient|e-?mail|customer|domain|receiver)[^a-z0-9]{0,3}(?:a@b)?[^a-z0-9]{0,6}.{0,40}\b(?:is|has been|was|are|been|currently|temporarily|permanently|account|status:?) ?(?:currently |temporarily |temporary |permanently |been )?(?:disabled|inactive|suspended|locked|deactivated|on hold|not active|blocked|expired|discontinued|frozen|unavailable due to|terminated|closed|limited|no longer active|withdrawn|banned|in inactive)",
        "inactive (?:user|mailbox|account|recipient)",
        r"(?:mailbox|account|user)(?:\(s\))? (?:account )?(?:disabled|inactive|suspended|locked|expired|closed|deactivated|is disabled|unavailable or suspended)",
        "disabled (?:user|mailbox|recipient|account|due)", "account is (?:disabled|temporarily limited)", "temporarily limited",
        "temporar(?:y|ily) (?:disabled|lock|suspend|inactive)", "user (?:is )?(?:suspended|inactive)",
        "suspended (?:account|user|mailbox)", "deactivated (?:mailbox|account)", "not (?:an )?active (?:user|mailbox|account)",
        "disableduser", "dormant", "invalid/inactive", "hasn'?t logged", "vacationing", "unavailable mailbox",
        "(?:mailbox|account|user) not activ", "out of office permanently", "extended inactivity", "due to inactivity",
        "this account is not allowed", "not (?:currently )?accept(?:ing)? (?:any )?(?:mail|messages) for this (?:user|account|mailbox)",
        "(?:mailbox|account|user|recipient) (?:is )?(?:currently )?not accept(?:ing)?", "mailbox (?:currently )?(?:suspended|frozen)",
        "email account that you tried to reach is (?:disabled|inactive)",
    )),
    # what they do not want
    ("too_large", (
        "(?:message|mail|e-?mail|attachment|header|content|data|file)s?(?:'s)?(?: file)? (?:size |length |header size |is |was |body )?(?:too (?:large|big|long)|exceeds?|exceeded|is larger|larger than|is over|over the|limit|greater than)[^.]{0,60}",
        r"exceed(?:s|ed|ing)?[^.]{0,60}(?:\bsize|message limit|length)", "size limit",
        "maximum (?:allowed )?(?:message |mail |inbound |incoming )?size", "max(?:imum)? (?:message )?(?:size|length)",
        "message (?:is )?too (?:large|big|long)", r"too (?:large|big)\b", "over ?size", "line limit", "line too long",
        "lines? longer than", "size (?:exceed|too|is too|restriction)", "message length",
    )),
    ("virus", (
        r"\bvirus(?:es)?\b", r"\bmalware\b", "infected", r"\btrojan\b", r"\bworm\b", "clamav", "harmful (?:content|attachment)",
        "malicious", "ransomware",
    )),
    ("greylisted", (
        "gr[ae]y[- ]?list", "greylist", "grey-list", r"try again in \d{1,5} ?(?:s|sec|min)", "come back (?:later|in)", "postgrey",
        "first[- ]time sender", r"\[gl01\]", r"tempor(?:ary|arily)[^.]{0,30}please (?:try|retry) (?:again )?in \d",
    )),
    ("rate_limited", (
        "rate[- ]?limit", "unusual rate", "unusual traffic",
        "too (?:many|much|fast|frequent)[^.]{0,30}(?:messages?|mails?|connections?|sessions?|errors?|requests?|e-?mails?|concurrent|unknown|invalid|bad|commands|traffic|transactions|attempts)",
        "throttl",
        "(?:sending|connection|domain|ip|mail|message|user|sender)s? (?:limit|rate|frequency)(?:s)? ?(?:is |was |has been |are )?(?:exceed|reach|limited|over|for|control|high)",
        "(?:exceed|reach)[^.]{0,50}(?:connection|message|sending|e-?mail|mail|rate|hourly|daily|recipient)[^.]{0,20} ?(?:limit|rate|count|quota|maximum|threshold)",
        "frequency limited", "(?:limit|maximum)[^.]{0,20}(?:connections|messages per|number of (?:messages|connections|concurrent))",
        "connection (?:rate|limit|frequency)", "concurrent", "receiving (?:e-?)?mail (?:at a rate|too quickly)",
        "volume or user complaints", "deferred due to", "temporarily deferred", "deferred[- ]connection", "slow down", "too quickly",
        r"\[ts[s0-9]\d{1,2}\]", r"\brp-00[123]\b", "traffic shap", "temporarily (?:rate|throttl|block)", "message rate", "(?<!mailbox )busy",
        "too many recipients (?:this|per|in) ", r"try again later.{0,30}\brate", r"\brl00000\d", "excessive",
    )),
    ("too_many_recipients", (
        "too many recipients", "number of recipients", "recipients? (?:limit|count)", "too many (?:addresses|rcpt)",
        "recipients? per (?:message|mail|session)", "(?:maximum|max) recipients", "limit of recipients",
    )),
    ("blocked_network", (
        "spamhaus", "spamcop", r"barracuda(?:central)?\b", r"\bsorbs\b", "uceprotect", "invaluement", "spamrats", "mailspike",
        "senderscore", "senderbase", r"proofpoint\.com/dnsbl", r"ipcheck\.proofpoint", r"csi\.cloudmark", "cloudmark", "psbl", r"\bcbl\b",
        "abuseat", "bulk ?list", "block(?:ed)?[- ]?list", "deny ?list", "black ?-?list", "blocked using", r"\bdnsbl", r"\bd?rbl\b",
        r"(?<!not )\blisted (?:in|at|by|on) ",
        r"(?:ip|client|host|network|server|connection|sender ip|\[?\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\]?)[^.;]{0,40}(?:is |has been |was |are |being )?(?:blocked|banned|blacklisted|blocklisted|black ?listed|not trusted|refused by policy)",
        r"(?:blocked|banned|denied|rejecting|reject|refused|refusing)[^.]{0,30}(?:\bip\b|ip address|sending ip|your (?:host|server|network)|client host|mail from \[?\d)",
        "banned sending ip",
        "access (?:to this mail ?(?:system|server) )?(?:has been )?(?:denied|rejected) (?:due to|because of) (?:the )?(?:sending|poor|bad|ip)",
        "dynamic(?:ally)? (?:ip|address|assigned|generated|host)", "dynamic/", "dial-?up", "residential", "generic (?:reverse|host|dns)",
        "no smtp service", "connections? (?:from this|will not be accepted|not accepted|refused from|rejected from)",
        "not accepting (?:mail|connections) from", r"\bs3140\b", r"\bs3150\b", r"\b5\.7\.6(?:0[5-9]|[1-4]\d)\b", r"\[bl2\d\]", r"\(con:",
        r"\(dyn:", r"\(rtr:bl", r"\(rtr:ch", r"\bou-00\d", r"\bdy-00\d", r"\bbl00000\d", r"\bcxbl\b", r"\bib\d{3}\b",
        "ask your postmaster for help", "tosa@", "open (?:relay|proxy)", r"\bproxy\b.{0,20}(?:detected|host)",
        "(?:ip|host|server)[^.]{0,20}reputation", r"reputation[^.]{0,40}\bip\b", "service (?:unavailable|refused|denied).{0,10}client",
        "esmtp not accepting", "network (?:is )?(?:blocked|block)", "part of their network is on our block list",
    )),
    ("bad_reputation", (
        "reputation", r"\bscore\b[^.]{0,30}(?:low|high|too)", "low trust", "not (?:well )?trusted", r"\(hvu:", r"\(sc:",
    )),
    ("spam_content", (
        r"\bspam\b", "spam(?:my|ming|assassin|ware|trap)", r"\buce\b", r"\bube\b", "unsolicited", "junk ?mail", "bulk (?:mail|e-?mail)",
        "unwanted", "phish", "suspicious", "suspect(?:ed|ion)", r"\[ph0\d\]", r"\[cs01\]", r"\[hm0\d\]", r"\bsc-00\d", "bayes",
        "content (?:denied|detected)", r"\bdt:spm\b", "advert", "blocked by (?:content )?filter",
        "message (?:looks|appears|seems)[^.]{0,30}(?:like|to be)", r"not allowed - \[", "abus(?:e|ive)",
    )),
    ("restricted", (
        "restricted",
        "not (?:a )?(?:authori[sz]ed|allowed|permitted|member|subscribed|subscriber)[^.]{0,40}(?:to send to|to (?:post|deliver)|recipient|this (?:list|group|address|recipient|mailbox)|for (?:this )?(?:recipient|group|list))",
        "do(?:es)? not have permission", "may not have permission", "only (?:accepts?|members|internal|subscribers|authenticated)",
        "(?:not a|are not|non-?) ?(?:list )?(?:member|subscriber)", "allowed[- ]senders", "sendernotauthenticatedforgroup",
        "senderrestriction", r"resolver\.rst\.(?:notauthorized|auth|restricted)", "notauthorized", "delivery not authori[sz]ed",
        "not authori[sz]ed to (?:send|deliver|post)", "senders? (?:is |are )?not (?:allowed|on|in)[^.]{0,30}(?:list|recipient)",
        "permission to (?:send|post)", "access restricted", "group (?:you|that)[^.]{0,40}may not",
        "prohibited.{0,20}by (?:the )?recipient", "internal use only", "not (?:a )?subscribed", "authorized senders", "berechtigung", "permisos necesarios",
        "autorisations? (?:n[eé]cessaire|requise)", "autorizzazion", "permiss[aã]o para", "toestemming", "uprawnie", "behörighet",
        "нет разрешения", "権限", "权限", "權限", "권한", "הרשאה", "אישור לפרסם",
    )),
    ("filtered", (
        "recipient preferences",
        "by (?:the )?(?:recipient|user|addressee)'?s? ?(?:filter|settings|request|choice|rules|preference|personal|black|policy|mail filter)",
        "(?:recipient|user|addressee)(?: a@b)? (?:has |have )?(?:refuses|refused|does not (?:wish|want) |blocked (?:the |this )?sender|chosen not|opted out)",
        r"refused by (?:the )?(?:recipient|user|addressee)\b(?!'s| domain| mail| server| e-?mail| system)", "badrcptto", r"\brcp-p[23]\b", "is rejected by recipients",
        r"rejected by (?:the )?(?:recipient|user|addressee)\b(?!'s| domain| mail| server| e-?mail| system)",
        "delivery (?:has been )?blocked by recipient", "receiver'?s? (?:setting|filter)",
        "not on (?:my|his|her|the|your|recipient'?s?) (?:white|allow|approved|safe)", "challenge[ -]response", "whitelist",
        "please verify (?:that )?you", "due to extended inactivity new mail", "mail ?box.{0,30}(?:filter|setting)", "address book only",
        "by user configuration", "sieve",
    )),
    ("loop", (
        "hop count", "too many hops", "(?:mail|routing|forwarding|mail forwarding|message|delivery|infinite|alias)[- ]?loop",
        "loops? back to (?:my|it)self", "loop(?:ing)? detected", "loop alert", "too many received",
        r"\bloops?\b.{0,20}(?:found|detected|back)", "duplicated message-id", "maximum (?:hops|forwards)",
    )),
    ("content", (
        "content (?:is |was |has been |type )?(?:rejected|filter|policy|error|blocked|restriction|not (?:allowed|accept|permitted)|refused)",
        "message content", r"\bmsg-p1\b",
        r"(?:attachment|file (?:type|name)|extension|executable|zip|archive|header|headers|url|link|body|subject|charset|character set|encoding|format|part|html|mime|date|message-id|message)s?\b[^.;]{0,40}(?:not (?:allowed|accept|permitted|supported|rfc|valid)|prohibited|blocked|forbidden|banned|violat|invalid|malformed|missing|restricted|unacceptable|improper|illegal|is not compliant|not compliant|does not comply|required|suspicious|denied)",
        "(?:invalid|bad|malformed|missing|improper|illegal|duplicate|multiple|prohibited|banned|blocked|unsupported)[^.;]{0,15} (?:header|attachment|mime|format|content|charset|encoding|message|date|subject|character|bare)",
        "rfc ?-?(?:2?822|5322|282[12]|5321)[^.]{0,30}", "not rfc", "non-?compliant", "8 ?-?bit", "bare (?:lf|cr|line)", "conversion",
        "smtputf8", "internationali[sz]ed", "blocked for (?:your|its)", "blockedmessage",
        "potential(?:ly)? (?:security|harmful|dangerous)",
    )),
    ("network_error", (
        "(?:host|domain)(?: name)? not found,? (?:please )?try again",
        "temporar(?:y|ily) (?:unable to )?(?:lookup|look up|resol|dns|name)",
        "(?:lookup|resolution|resolve)[^.]{0,20}(?:timed out|temporarily|servfail|try again)",
        "dns (?:server )?(?:fail|timeout|timed out|query failed|soft|temporary|servfail)", "name server timeout",
        "unable to (?:reach|contact) (?:dns|name)", "responded with code (?:servfail|refused)", "server failure",
    )),
    # the address
    ("not_accepting", (
        "null ?mx", "mail receiving disabled", "(?:domain|host|server|system|hostname)[^;:]{0,80}(?:does not|doesn't) (?:accept|receive) (?:any )?(?:e-?)?mail(?! from)",
         "accepts? no mail",
        "no (?:mail|smtp) (?:service|server) (?:for|here|at)", "never accepts? mail",
        "smtp (?:service|protocol) returned a permanent error 521", "host does not accept", "server does not accept mail",
        "domain (?:is )?not (?:set ?up|configured) (?:for|to)", "type=mx: malformed or unexpected name server reply",
        "is not (?:a|an) (?:mail|e-?mail) (?:server|domain)", "no mail accepted", r"\b521\b[^.]{0,60}(?:accept|no mail|bounce)",
    )),
    ("bad_address", (
        "malformed (?:recipient )?address", "incorrectly constructed",
        "(?:recipient|destination|forward)[^.;:]{0,20}address[^.;:]{0,20}(?:syntax|malformed|is not valid syntax|contains)",
        "bad (?:address|recipient) syntax", r"syntax error in (?:the )?(?:recipient|address|mailbox|rcpt|domain|parameters? \(?rcpt)",
        "(?:address|domain|mailbox) (?:is )?(?:ill-?formed|syntax)", "may not follow", "invalid (?:address )?syntax",
        "missing (?:@|domain)", "unqualified", "domain missing", "non-?ascii address", "illegal (?:alias|char)[^.]{0,30}address",
        "address contains",
    )),
    ("user_unknown", (
        "recipient address(?:es)? rejected ?: access denied", "us[e]?r[_ -]?unknown",
        "unknown[- ]?(?:user|recipient|local|mailbox|address|account|subscriber|receiver|e-?mail|rcpt|alias|addressee|destination|person|or (?:invalid|illegal))",
        "no such (?:a )?(?:e-?mail|user|recipient|mailbox|mail ?box|address|account|person|local|alias|name|customer|subscriber|rcpt|id|addressee|object|group|list)",
        "(?:user|users?|recipient|mailbox)s? not (?:known|found|exist|here|recogni[sz]ed)",
        "not (?:known|found) (?:at|in|on) (?:this|our|the|my)",
        r"(?:user|recipient|mailbox|mail ?box|address|account|alias|(?<!domain )(?<!host )name|addressee|customer|person|e-?mail|group|\bid|a@b|subscriber|receiver|destination|directory|local[- ]part)\b[^.;:]{0,60}(?:does ?n[o']t exist|do not exist|doesn'?t exist|did not exist|non-?exist|not (?:be )?found|could ?n[o']t be found|wasn'?t found|couldn'?t be found|\bunknown|not known|not recogni[sz]ed|is invalid|is not valid|invalid address|no longer (?:exists?|valid|available|in use|employed|works?|with|at|on|here|a )|is no longer|no longer on|not exist|isn'?t (?:a )?(?:valid|listed|here)|is wrong|not listed|not present|was not recogni[sz]ed|has been (?:deleted|removed|cancell?ed|closed)|not defined|(?:is )?not (?:here|configured|existing|valid|correct)|not on this|not a (?:user|known|valid|real)|deleted|un ?existing)",
        "(?:does not|doesn'?t|do not) have (?:an? |any )?[^;:]{0,60}(?:account|mailbox|user|address)",
        "no (?:valid |local )?mailbox(?: here)?(?: by that name)?",
        "no (?:valid )?(?:user|account|recipient|person|alias|address)s? (?:here|with|by|named|found|called|at|for|listed|matching)",
        r"(?:invalid|bad|incorrect|wrong|illegal|not? a valid|non-?existent|nonexisting|undefined|unroutable|unavailable|ambiguous|obsolete|unregistered|non-?local) ?(?:local )?(?:e-?mail |smtp |mail )?(?:final delivery |final-delivery )?(?:recipients?|mailbox|user(?: ?id| ?name)?|address(?!es)|destination|addressee|account|local|id|userid|rcpt|alias)\b",
        "bad destination",
        "not a(?:n)? (?:valid|existing|known|registered|local|active) (?:recipient|mailbox|user|address|account|e-?mail)",
        "not (?:our|a local|one of our) (?:customer|user|domain)", "not listed in", "address book", "recip(?:ient)?notfound",
        "nosuchuser", "recipnotfound", "wrong or no longer valid", "unrout(?:e)?able (?:address|mail)", "address couldn'?t be found",
        "couldn'?t be found", "address (?:not |un)(?:found|known)", "not our customer",
        "this (?:user|address|mailbox|account)[^.]{0,20}(?:does|doesn'?t|is not|isn'?t) (?:not )?(?:exist|have|valid|here|a )",
        r"resolver\.adr", "cannot find (?:your |the )?(?:mailbox|user|recipient|account)", "can'?t find (?:user|recipient|mailbox|an? )",
        r"\brcp-p1\b", r"^542 a@b rejected", "possibly incorrect", "permanently? (?:delet|remov|clos)", "user (?:account )?(?:deleted|removed|closed|terminated)",
        "not (?:a )?(?:deliverable|reachable) address", "delivery to (?:this|that) (?:user|address) (?:is )?(?:not|failed)",
        "mta error: user", "no account", "not in (?:the )?(?:directory|recipient|virtual|local|our database)",
        "recipient (?:address )?(?:rejected: )?(?:undeliverable|not (?:exist|permanent|verified|found|accepted))",
        "undeliverable address", "address rejected: (?:a@b|undeliverable|not found|mailbox unavailable)", r"5\.1\.10",
        r"unknown error.*\b5\.1\.1\b", "name is not recogni[sz]ed", "destination unknown", "address invalid", "mailbox invalid", "can't accept user", "nessun utente", "no existe dich[ao]", "no existe es[ea]",
        "no mail ?box available", "account unavailable", "no valid recipients", "invalid-recipient", "recipient not ok", "badrecipientto",
        "validrcptto", "missing home directory", "unknown virtual user", "user deleted", "address no longer", "unallocated (?:recipient|user|mailbox)",
        "no one (?:with|by|of) that name", r"who\?", "no matches to", "invalid final",
        "empfänger (?:ist )?(?:unbekannt|nicht)", "unbekannt(?:er|e) (?:benutzer|empf)",
        "(?:benutzer|adresse|postfach|empfänger)[^.]{0,30}(?:unbekannt|nicht (?:gefunden|bekannt|existiert|vorhanden)|existiert nicht)",
        "(?:utilisateur|destinataire|adresse|bo[iî]te|compte)[^.]{0,20}(?:inconnu|introuvable|n'existe|invalide|inexist)",
        "(?:usuario|destinatario|buz[oó]n|cuenta|direcci[oó]n)[^.]{0,20}(?:desconocid|no existe|inexistente|no (?:se )?encontr)",
        "(?:utente|destinatario|indirizzo|casella)[^.]{0,20}(?:sconosciut|inesistente|non esiste|non (?:è )?(?:stato )?trovat)",
        "(?:usu[aá]rio|destinat[aá]rio|endere[cç]o|conta)[^.]{0,20}(?:desconhecid|n[aã]o existe|inexistente|n[aã]o encontrad)",
        "(?:gebruiker|ontvanger|adres)[^.]{0,20}(?:onbekend|bestaat niet|niet gevonden)",
        "(?:пользовател|получател|адрес|ящик)[^.]{0,30}(?:не (?:найден|существует|известен)|неизвест|несуществ|отсутств)", "нет такого",
        "несуществующ", "(?:用户|收件人|邮箱|帐号|账号|地址)[^。]{0,10}(?:不存在|未找到|无效)", "(?:宛先|ユーザ|受信者|アドレス|メールアドレス)[^。]{0,60}(?:存在し|見つか|不明|ありません)",
        "사용자[^.]{0,10}(?:없|알 수)",
    )),
    ("host_unknown", (
        r"(?:domain|host|hostname|server)(?: name)?(?: a@b)?\b[^:;]{0,60}(?:not found|does ?n[o']t exist|doesn'?t exist|do not exist|non-?existent|couldn'?t be found|could not be found|is unknown|unknown|not exist|no longer exists?|is invalid|is not valid|unresolvable)",
        "(?:unknown|invalid|bad|no such|non-?existent|illegal) (?:host|domain|remote domain|mail domain|destination (?:host|domain|system))",
        "nxdomain", "host(?:name)? (?:un)?known", "no such (?:host|domain)",
        "no (?:valid )?(?:mx|a|dns|address|route)(?: (?:or|and) (?:a|mx))? records?",
        "no (?:mx|mail exchanger|mail server)[^.]{0,20}(?:found|for|record|listed)",
        "cannot (?:find|resolve|look ?up)[^.]{0,40}(?:domain|host|mx|name|ip)", "couldn'?t find (?:any|a) host",
        "no hosts? (?:named|found|list)", "domain (?:has )?(?:no|expired|does not resolve)", "not (?:appear to be )?registered",
        "name or service not known", "nodename nor servname",
        "unable to (?:find|resolve|look ?up)[^.]{0,40}(?:domain|host|mx|name|address)",
        "failed to (?:resolve|find|look)[^.]{0,30}(?:domain|host|mx|name)", "not a(?:n)? (?:valid|known|existing) (?:domain|host)",
        r"dns\.\w", "no address associated", "illegal host", "bad dest(?:ination)? (?:system|host)",
        "dns name (?:does not|unknown)", "cannot be resolved", "dns error.{0,80}nxdomain",
        "(?:dom[aä]ne?|domaine|dominio|dom[ií]nio)[^.]{0,20}(?:nicht gefunden|existiert nicht|inconnu|introuvable|no existe|desconocid|inesistente|n[aã]o existe)",
    )),
    # on the way
    ("expired", (
        "(?:been )?in (?:the )?queue too long",
        "(?:message|envelope|mail|delivery time|delivery|retry time|retry timeout|queue)[^.]{0,25}(?:expired|exceeded|timeout|time-?out|lifetime)",
        "retry timeout", "retry time not reached", "not (?:yet )?been delivered", "could not be delivered (?:for|in|within|after)",
        "delivery (?:time )?expired", "cannot send message (?:for|within)", "(?:gave|giving) up", r"for \d{1,3} (?:days|hours)",
        "too old", "maximum delivery attempts", r"failed \d{1,4} attempts", "delivery time", "unable to deliver.{0,40}(?:days|hours)",
        "has been delayed", "delayed", "will (?:continue|be retried|keep)", "timeout expired", "expired",
    )),
    ("mailer_error", (
        r"(?:exit(?:ed)? (?:with )?(?:status|code)|exit status|return(?:ed)? (?:code|exit|status)|child status|command (?:died|fail|output|time limit|line)|pipe (?:to|failed)|\|/|died with (?:status|signal)|procmail|can'?t create (?:user )?output|local(?: mail)? delivery (?:failed|program|agent)|delivery agent|unknown mailer error|x-unix|transport failed|mailer (?:error|exited|died)|temporary failure in (?:local|delivery)|service unavailable \(#5\.3)",
    )),
    ("network_error", (
        "connect(?:ion|ing)?[^.]{0,60}(?:timed? ?-?out|refused|reset|dropped|lost|closed|broken|aborted|fail|terminated|unexpected|error|died)",
        "no route to host", "network (?:is )?(?:unreachable|error|down)", "host (?:is )?(?:unreachable|down|not respond)",
        "(?:host|server|operation|conversation|session|smtp|read|command|socket|sending|greeting|open|waiting|while|data)[^.]{0,80} ?timed? ?-?out",
        "timed? ?-?out",
        "(?:could not|unable to|did not accept our requests to|can'?t|couldn'?t|cannot|failed to|not able to)(?: be)? (?:connect|establish|contact|open)",
        "(?:lost|establish an smtp|smtp|unexpected|remote host) (?:connection|disconnect|closed)", "broken pipe", "name service error",
        "(?:did not|not|doesn'?t|isn'?t) respond(?:ing)?", "dns (?:lookup )?(?:error|failure|problem)", "no answer", "unreachable",
        "bad or no", "server (?:temporarily )?unavailable", "remote host", "host not reachable", "mx problem", "deferred: ",
        "transport (?:error|endpoint)", "address family", "domain lookup failed", "host lookup", "lookup (?:failed|error)", "name lookup",
        "name server",
    )),
    ("mailbox_busy", (
        "mailbox (?:is )?(?:unavailable|not available|busy)", "mailbox access denied",
    )),
    # their machine
    ("system_full", (
        "(?:insufficient|not enough|no|low|out of|lack of) (?:system |server |disk |free |file ?system )?(?:disk ?space|storage|space|resources|disk|memory)",
        "(?:disk|file ?system|server|queue|system|spool)[^.]{0,20}(?:full|space)", "mail system full", "no space left",
    )),
    ("system_error", (
        "(?:local|internal|system|server|service|processing|configuration|database|i/o|unexpected|program|mail server|software|operating|lookup|timeout|script|ldap|generic)s? (?:server )?(?:error|problem|failure|fault|misconfig|trouble|currently unavailable|is (?:currently )?(?:unavailable|down|shutting))",
        "error in processing", "misconfigur", "service (?:not available|unavailable|temporarily|is )",
        "temporar(?:y|ily) (?:local )?(?:error|fail|problem|unavailable|reject|system)",
        "cannot (?:open|write|append|create|lock|update|store|save|access)",
        "can'?t (?:open|write|append|create|lock|store|access|mail to)", "unable to (?:open|write|lock|create|process|store|append)",
        "permission denied", "quarantine", "backend", "upstream", "could not load", "resources? (?:temporarily )?unavailable",
        "shutting down", "could not (?:lock|be processed|create|gain|complete)", "mail server (?:is )?(?:down|not)",
        "server is (?:too )?busy", "aborted", "not a directory", "resource",
    )),
    ("syntax", (
        "syntax", "command (?:not|un)", "bad (?:sequence|command)", "unrecogni[sz]ed", "out of sequence",
        "invalid (?:command|argument|parameter|response|arguments)", "protocol", "not implemented", "unexpected (?:response|data)",
        "nested (?:mail|transaction)", "need (?:rcpt|mail|helo|ehlo)", "data (?:not|command)", "no recipients", "no valid recipients",
        "improper use", "pipelin",
    )),
    ("policy", (
        "polic(?:y|ies)", "administrative", "prohibit", "security", "not (?:allowed|permitted|authori[sz]ed|acceptable|accepted|wanted)",
        "access denied", "denied", "block(?:ed)?", "refused", "rejected", "forbidden", "reject", "violation", "disallow", "not accept",
        "transaction failed", "undesirable", "unacceptable", "declined", "local rules", "terms of service", "rule",
    )),
)
# fmt: on

_SIGNS = re.compile(r"[\\\[\](){}?*+.|^$]")


class _Row:
    """What is plain is looked up as it stands, which is faster; the rest is compiled one by one, which is faster than together, and not
    before somebody reads a refusal: most commands never do, and 400 patterns take them a tenth of a second."""

    def __init__(self, reason: str, words: tuple[str, ...]) -> None:
        self.reason = reason
        self._plain = tuple(word for word in words if not _SIGNS.search(word))
        self._signs = tuple(word for word in words if _SIGNS.search(word))

    def is_in(self, words: str) -> bool:
        return any(word in words for word in self._plain) or any(pattern.search(words) for pattern in self._patterns)

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(word) for word in self._signs)


_TABLE = tuple(_Row(reason, words) for reason, words in _WORDINGS)


def names(reason: str, words: str) -> bool:
    """Whether the words give this reason, whatever else they give."""
    return any(row.is_in(words) for row in _TABLE if row.reason == reason)


def reason_in(words: str) -> str:
    """The reason that these words give, ``""`` for none."""
    return next((row.reason for row in _TABLE if row.is_in(words)), "")
