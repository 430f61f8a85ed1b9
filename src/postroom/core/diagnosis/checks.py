"""All checks of the doctor in one place, so that every process knows their sentences: importing this fills the catalogue of reasons."""

from __future__ import annotations

import postroom.core.diagnosis.broken_checks  # noqa: F401 (its sentences)
from postroom.core.diagnosis.alias_health import check_aliases
from postroom.core.diagnosis.dkim_record import check_dkim, check_key_secrets
from postroom.core.diagnosis.dmarc import check_dmarc
from postroom.core.diagnosis.domain_facts import check_existence
from postroom.core.diagnosis.ends import check_ends
from postroom.core.diagnosis.history import check_alarms, check_history
from postroom.core.diagnosis.house import check_house
from postroom.core.diagnosis.machine_health import check_machine
from postroom.core.diagnosis.mail_clocks import check_mail_clocks
from postroom.core.diagnosis.mailbox_health import check_ways_in
from postroom.core.diagnosis.mta_sts_policy import check_policy
from postroom.core.diagnosis.mx import check_mx
from postroom.core.diagnosis.outside_clocks import check_outside_clocks
from postroom.core.diagnosis.queue_health import check_queue
from postroom.core.diagnosis.receivers import check_receivers
from postroom.core.diagnosis.schedule_health import check_schedule
from postroom.core.diagnosis.sending_hosts import check_blocklists, check_names
from postroom.core.diagnosis.server_health import check_server
from postroom.core.diagnosis.spf import check_spf
from postroom.core.diagnosis.transport_policies import check_transport

OF_TABLES = (
    check_machine, check_house, check_server, check_ways_in, check_schedule, check_queue, check_aliases, check_key_secrets,
    check_receivers, check_history, check_alarms, check_ends, check_policy, check_outside_clocks, check_mail_clocks,
)  # fmt: skip
OF_DOMAINS = (check_existence, check_mx, check_transport, check_spf, check_dkim, check_dmarc)
OF_HOSTS = (check_names, check_blocklists)
