"""The places of the house and their addresses."""

from __future__ import annotations

from django.urls import path

from postroom.web import frames
from postroom.web.envelope import views as envelope
from postroom.web.home import for_me
from postroom.web.home import views as home
from postroom.web.inbound import deciding, loops
from postroom.web.inbound import views as inbound
from postroom.web.letterbox import views as letterbox
from postroom.web.linked import views as linked
from postroom.web.live import views as live
from postroom.web.queue import changing, story
from postroom.web.queue import views as queue
from postroom.web.records import chatter, lists, places, scheduled, undo
from postroom.web.settings import dkim, ingress, limits, mailboxes, mine, secrets, servers, templates
from postroom.web.settings import views as settings
from postroom.web.suppression import views as suppression

app_name = "web"

urlpatterns = [
    path("", home.home, name="home"),
    path("attention/", home.attention_piece, name="attention"),
    path("pulse/", home.pulse_piece, name="pulse"),
    path("guide/close/", home.close_guide, name="guide_close"),
    path("for-me/", for_me.for_me, name="for_me"),
    path("read/", for_me.read, name="read"),
    path("alarm/<int:alarm_id>/dismiss/", home.dismiss, name="dismiss"),
    path("suppression/", suppression.addresses, name="suppression"),
    path("suppression/worst/", suppression.worst, name="worst"),
    path("suppression/<int:health_id>/", suppression.one, name="address"),
    path("suppression/<int:health_id>/release/", suppression.let_go, name="release"),
    path("records/", lists.records, name="records"),
    path("people/find/", lists.find, name="find"),
    path("people/chosen/", lists.chosen, name="chosen"),
    path("records/<int:record_id>/", places.record, name="record"),
    path("records/<int:record_id>/change/", places.change, name="change"),
    path("records/<int:record_id>/language/", places.language, name="contact_language"),
    path("records/<int:record_id>/follow/", places.add_follower, name="follow"),
    path("records/<int:record_id>/unfollow/", places.remove_follower, name="unfollow"),
    path("records/<int:record_id>/messages/", chatter.messages, name="messages"),
    path("records/<int:record_id>/audience/", chatter.audience, name="audience"),
    path("records/<int:record_id>/scheduled/", scheduled.of_record, name="record_scheduled"),
    path("records/<int:record_id>/templates/", chatter.templates, name="record_templates"),
    path("records/<int:record_id>/templates/<int:template_id>/", chatter.filled, name="filled_template"),
    path("records/<int:record_id>/live/", chatter.live, name="record_live"),
    path("records/<slug:kind>/", lists.records, name="kind"),
    path("records/<slug:kind>/new/", lists.new, name="new"),
    path("message/<int:message_id>/body/", frames.message_body, name="body"),
    path("message/<int:message_id>/recipients/", envelope.recipients, name="recipients"),
    path("message/<int:message_id>/resend/", envelope.resend, name="resend"),
    path("message/<int:message_id>/ignore/", envelope.ignore, name="ignore"),
    path("message/<int:message_id>/star/", for_me.star, name="star"),
    path("failures/", envelope.failures, name="failures"),
    path("failures/ignore/", envelope.ignore_of_kind, name="failures_ignore"),
    path("message/<int:message_id>/undo/", undo.undo, name="undo"),
    path("scheduled/", scheduled.mine, name="scheduled"),
    path("scheduled/<int:scheduled_id>/", scheduled.one, name="scheduled_one"),
    path("scheduled/<int:scheduled_id>/cancel/", scheduled.cancel, name="scheduled_cancel"),
    path("scheduled/<int:scheduled_id>/send/", scheduled.send_now, name="scheduled_send"),
    path("scheduled/file/<int:file_id>/", scheduled.file, name="scheduled_file"),
    path("files/<str:token>/", linked.linked_file, name="linked_file"),
    path("files/<str:token>/<str:name>", linked.linked_file, name="linked_file"),
    path("attachment/<int:attachment_id>/", frames.file, name="attachment"),
    path("queue/", queue.queue, name="queue"),
    path("queue/act/", changing.act, name="queue_act"),
    path("queue/change/<int:change_id>/", changing.progress, name="queue_change"),
    path("queue/change/<int:change_id>/undo/", changing.undo, name="queue_undo"),
    path("queue/failures/", queue.failures, name="queue_failures"),
    path("queue/find/", queue.find, name="queue_find"),
    path("queue/<int:delivery_id>/", story.one, name="delivery"),
    path("queue/server/<int:server_id>/pause/", queue.pause, name="queue_pause"),
    path("inbound/", inbound.log, name="inbound"),
    path("inbound/loops/", loops.loops, name="loops"),
    path("inbound/loops/act/", loops.act, name="loops_act"),
    path("inbound/<int:inbound_id>/", inbound.one, name="inbound_mail"),
    path("inbound/<int:inbound_id>/body/", inbound.mail_body, name="inbound_body"),
    path("inbound/<int:inbound_id>/source/", inbound.source, name="inbound_source"),
    path("inbound/<int:inbound_id>/find/", inbound.find_record, name="inbound_find"),
    path("inbound/<int:inbound_id>/again/", inbound.again, name="inbound_again"),
    path("inbound/<int:inbound_id>/attach/", inbound.attach, name="inbound_attach"),
    path("inbound/<int:inbound_id>/create/", inbound.create, name="inbound_create"),
    path("inbound/<int:inbound_id>/refuse/", inbound.refuse, name="inbound_refuse"),
    path("inbound/<int:inbound_id>/discard/", deciding.discard, name="inbound_discard"),
    path("inbound/<int:inbound_id>/allow/", deciding.allow, name="inbound_allow"),
    path("inbound/<int:inbound_id>/why/", deciding.why, name="inbound_why"),
    path("inbound/act/", deciding.many, name="inbound_act"),
    path("inbound/again/", deciding.every, name="inbound_every"),
    path("inbound/try/", deciding.try_mail, name="inbound_try"),
    path("held/", inbound.held, name="held"),
    path("letterbox/", letterbox.letterbox, name="letterbox"),
    path("letterbox/<int:letter_id>/", letterbox.letterbox, name="letter"),
    path("letterbox/<int:letter_id>/body/", letterbox.letter_body, name="letter_body"),
    path("letterbox/<int:letter_id>/source/", letterbox.letter_source, name="letter_source"),
    path("letterbox/<int:letter_id>/act/", letterbox.act, name="letter_act"),
    path("letterbox/<int:letter_id>/seen/", letterbox.seen, name="letter_seen"),
    path("settings/installation/confirm/", settings.confirm_home, name="confirm_home"),
    path("settings/installation/capture/", settings.capture, name="capture"),
    path("settings/servers/configuration/test/", servers.test, {"row_id": 0}, name="server_configured_test"),
    path("settings/servers/<int:row_id>/test/", servers.test, name="server_test"),
    path("settings/mailboxes/<int:row_id>/test/", mailboxes.test, name="mailbox_test"),
    path("settings/mailboxes/<int:row_id>/fetch/", mailboxes.fetch, name="mailbox_fetch"),
    path("settings/mailboxes/<int:row_id>/reconcile/", mailboxes.reconcile, name="mailbox_reconcile"),
    path("settings/mailboxes/<int:row_id>/reset/", mailboxes.reset, name="mailbox_reset"),
    path("settings/ingress/", ingress.addresses, name="ingress"),
    path("settings/ingress/<int:hook_id>/remove/", ingress.remove, name="ingress_remove"),
    path("settings/servers/<int:row_id>/hook/", servers.hook, name="server_hook"),
    path("settings/servers/<int:row_id>/release/", servers.release, name="server_release"),
    path("settings/limits/", limits.limits, name="limits"),
    path("settings/limits/change/", limits.change, name="limits_change"),
    path("settings/secrets/", secrets.secrets, name="secrets"),
    path("settings/secrets/rotate/", secrets.rotate, name="secrets_rotate"),
    path("settings/secrets/forget/", secrets.forget, name="secrets_forget"),
    path("settings/mine/", mine.mine, name="mine"),
    path("settings/parameters/", settings.parameters, name="parameters"),
    path("settings/parameters/<str:key>/", settings.set_parameter, name="set_parameter"),
    path("settings/templates/", settings.section_list(templates.TEMPLATES), name="templates"),
    path("settings/templates/new/", templates.edit, name="template_new"),
    path("settings/templates/<int:template_id>/", templates.edit, name="template"),
    path("settings/templates/<int:template_id>/remove/", templates.remove, name="template_remove"),
    path("settings/templates/<int:template_id>/files/<int:file_id>/", templates.file, name="template_file"),
    path("settings/templates/preview/", templates.preview, name="template_preview"),
    path("settings/actions/", settings.actions, name="actions"),
    path("settings/actions/<slug:key>/", settings.action, name="action"),
    path("settings/actions/<slug:key>/run/", settings.run, name="run"),
    path("settings/changes/", settings.changes, name="changes"),
    path("settings/dkim/", dkim.keys, name="dkim"),
    path("settings/dkim/create/", dkim.create, name="dkim_create"),
    path("settings/dkim/rotate/", dkim.rotate, name="dkim_rotate"),
    path("settings/dkim/act/", dkim.act, name="dkim_act"),
    path("settings/keys/", settings.keys, name="keys"),
    path("settings/keys/remove/", settings.remove_key, name="remove_key"),
    path("live/<slug:topic>/", live.stream, name="live"),
    path("live/<slug:topic>/<int:record_id>/", live.stream, name="live"),
]

for section in (settings.SERVERS, settings.MAILBOXES, settings.DOMAINS, settings.ALIASES):
    place = f"settings/{section.key}/"
    urlpatterns += [
        path(place, settings.section_list(section), name=section.key),
        path(f"{place}new/", settings.section_edit(section), name=f"{section.one}_new"),
        path(f"{place}<int:row_id>/", settings.section_edit(section), name=section.one),
    ]
