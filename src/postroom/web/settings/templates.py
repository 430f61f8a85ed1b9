"""Mail templates: their list, the form with texts in several languages and files, and a preview on a real record."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.languages import read_language
from postroom.core.terms.templates import TemplateError
from postroom.flows import access
from postroom.flows import mail_templates as flow
from postroom.flows.mail_templates import TemplateText, manageable_templates
from postroom.store.models import Company, MailTemplate, Record
from postroom.store.queries import pages_scheduled as read
from postroom.store.queries.pages import read_id
from postroom.web.forms import tell
from postroom.web.frames import download, framed, stored
from postroom.web.members import MemberRequest, for_members, numbers_of, text_of
from postroom.web.records.uploads import files_of, trouble_with
from postroom.web.settings.forms import TemplateForm
from postroom.web.settings.views import Section
from postroom.web.shell import go, page
from postroom.wiring import ports

MOST_LANGUAGES = 30
RECORDS_TO_TRY = 30

TEMPLATES = Section(
    key="templates",
    one="template",
    title=gettext_lazy("Mail templates"),
    new=gettext_lazy("New template"),
    icon="draft",
    empty=gettext_lazy(
        "Words that you write again and again, with placeholders for names and dates, in the reader's language."
    ),
    model=MailTemplate,
    form=TemplateForm,
    rows=lambda ids: read.template_rows(MailTemplate.objects.filter(Q(company=None) | Q(company_id__in=ids))),
    save=flow.save_template,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    """One more language as the form shows it."""

    language: str
    subject: str
    html: str
    trouble: str = ""


@for_members("GET", "POST")
def edit(request: MemberRequest, template_id: int | None = None) -> HttpResponse:
    """The form of one template, or of a new one."""
    template = _template(request, template_id)
    ids = access.company_ids(request.member)
    initial = {} if template_id is not None else {"company": Company.objects.get(pk=request.member.company_id)}
    form = TemplateForm(request.POST or None, instance=template, company_ids=ids, initial=initial)
    variants, trouble = _stored(template), ""
    if request.method == "POST":
        variants, trouble = _typed(request)
        if not trouble and form.is_valid() and (saved := _save(request, form, template_id, variants)) is not None:
            return go(request, reverse("web:template", args=[saved.pk]), said=_("Saved."))
    context = {
        "section": TEMPLATES,
        "form": form,
        "template": template,
        "variants": variants,
        "files": template.files.all() if template_id is not None else (),
        "wide_fields": TemplateForm.wide,
        "list_place": "web:templates",
        "trouble": trouble,
        "records": _records(request, template),
        "names": NAMES,
        "filters": FILTERS,
    }
    title = template.name if template_id is not None else str(TEMPLATES.new)
    return page(
        request, "postroom/settings/template.html", title, context, status=422 if form.errors or trouble else 200
    )


def _template(request: MemberRequest, template_id: int | None) -> MailTemplate:
    """Raises `NotAllowed`, Http404."""
    access.require(request.member, "settings")
    if template_id is None:
        return MailTemplate()
    found = manageable_templates(request.member).filter(pk=template_id).first()
    if found is None:
        if MailTemplate.objects.filter(pk=template_id, company=None).exists():
            access.require_house(request.member)
        raise Http404
    return found


def _stored(template: MailTemplate) -> list[_Variant]:
    if not template.pk:
        return []
    return [_Variant(language=v.language, subject=v.subject, html=v.html) for v in template.variants.all()]


def _typed(request: MemberRequest) -> tuple[list[_Variant], str]:
    """The other languages of the form; those without any words are gone."""
    texts = zip(
        request.POST.getlist("variant_language")[:MOST_LANGUAGES],
        request.POST.getlist("variant_subject"),
        request.POST.getlist("variant_html"),
        strict=False,
    )
    found, trouble = [], ""
    for typed, subject, html in texts:
        subject, html = subject.replace("\0", "")[:1000].strip(), html.replace("\0", "")
        if not subject and not html.strip():
            continue
        language = read_language(typed)
        if not language:
            trouble = _("Say which language each text is in, such as en, de or pt-br.")
        found.append(_Variant(language=language or typed, subject=subject, html=html))
    return found, trouble


def _save(
    request: MemberRequest, form: TemplateForm, template_id: int | None, variants: list[_Variant]
) -> MailTemplate | None:
    """None when the form says why not."""
    texts = [TemplateText(language=one.language, subject=one.subject, html=one.html) for one in variants]
    uploads = request.FILES.getlist("files")
    values = form.changes(template_id)
    values |= {name: form.cleaned_data[name] for name in ("subject", "html", "language")}
    if trouble := trouble_with(uploads):
        form.add_error(None, trouble)
        return None
    try:
        saved = flow.save_template(ports(), values, texts, member=request.member)
        for file_id in numbers_of(request.POST, "removed"):
            flow.remove_file(ports(), saved.pk, file_id, member=request.member)
        if uploads:
            flow.add_files(ports(), saved.pk, files_of(uploads), member=request.member)
    except ValidationError as error:
        tell(form, error)
        return None
    return saved


def _records(request: MemberRequest, template: MailTemplate) -> list[Record]:
    """Records to try it on: of its kind, lately written on."""
    rows = access.visible_records(request.member)
    if template.kind_id:
        rows = rows.filter(kind_id=template.kind_id)
    return list(rows.order_by("-updated_at", "-id").only("id", "title", "contact_name")[:RECORDS_TO_TRY])


@for_members("POST")
def preview(request: MemberRequest) -> HttpResponse:
    """The form's words on a record, as a page of their own behind glass. Nothing is stored."""
    access.require(request.member, "settings")
    record_id = read_id(request.POST.get("record", ""))
    if record_id is None:
        return _said(request, _("Choose a record to see the template on."))
    own = TemplateText(
        language=read_language(request.POST.get("language", "")) or "en",
        subject=text_of(request.POST, "subject", 1000),
        html=request.POST.get("html", "").replace("\0", ""),
    )
    others = [
        TemplateText(language=one.language, subject=one.subject, html=one.html)
        for one in _typed(request)[0]
        if read_language(one.language)
    ]
    try:
        found = flow.preview_template(
            ports(),
            template=MailTemplate(company_id=request.member.company_id),
            texts=[own, *others],
            record_id=record_id,
            member=request.member,
            language=read_language(text_of(request.POST, "preview_language", 12)),
        )
    except TemplateError as error:
        where = _("In the subject.") if error.field == "subject" else _("In the text.")
        return _said(request, f"{where} {error}")
    except Record.DoesNotExist:
        raise Http404 from None
    head = format_html('<p><b>{}</b> <span style="opacity:.7">({})</span></p><hr>', found.subject, found.language)
    return framed(request, head + found.html)


def _said(request: MemberRequest, words: str) -> HttpResponse:
    return framed(request, format_html("<p><b>{}</b></p>", words))


@for_members("POST")
def remove(request: MemberRequest, template_id: int) -> HttpResponse:
    """The template is gone; what was written with it stays."""
    _template(request, template_id)
    flow.remove_template(ports(), template_id, member=request.member)
    return go(request, reverse("web:templates"), said=_("The template is gone."))


@for_members("GET")
def file(request: MemberRequest, template_id: int, file_id: int) -> HttpResponse:
    """A file of a template, as a download."""
    found = _template(request, template_id).files.filter(pk=file_id).first()
    if found is None:
        raise Http404
    return download(stored(found.sha256), found.name)


NAMES = (
    ("contact.name", gettext_lazy("who the record is about")),
    ("contact.first_name", gettext_lazy("the first word of that name")),
    ("contact.address", gettext_lazy("the address")),
    ("record.title", gettext_lazy("what the record is called")),
    ("record.id, record.kind, record.stage", gettext_lazy("its number, kind and stage")),
    ("record.responsible", gettext_lazy("who takes care of it")),
    ("record.url", gettext_lazy("its page, for colleagues")),
    ("record.created_at, record.updated_at", gettext_lazy("dates: write them with |date or |time")),
    ("record.values.NAME", gettext_lazy("a value of the record")),
    ("author.name, author.address", gettext_lazy("who writes")),
    ("company.name", gettext_lazy("the company")),
    ("today, now", gettext_lazy("the date, and the time")),
)
FILTERS = "date, time, number(2), money('EUR'), default('…'), upper, lower, capitalize, trim, truncate(80), first_word, length, nl2br"
