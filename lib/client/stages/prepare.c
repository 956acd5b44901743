#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/builder.h"
#include "client/stages/prepare.h"
#include "client/stages/prepared.h"
#include "core/json.h"

static bool
known(const struct prepare *p, const char *text)
{
	size_t i;

	for (i = 0; i < p->nrefs; i++)
		if (strcmp(p->refs[i].text, text) == 0)
			return true;
	return false;
}

static bool
has_base(const struct prepare *p)
{
	size_t i;

	for (i = 0; i < p->nrefs; i++)
		if (p->refs[i].base)
			return true;
	return false;
}

static int
add_reference(struct prepare *p, const struct span *entry, struct fail *f)
{
	struct prepare_reference *more;
	char *text = NULL, *role = NULL;
	bool base;
	int r = -1;

	if (json_string(entry, "reference", JSON_NEED, &text, f) == -1 ||
	    json_string(entry, "role", JSON_NEED, &role, f) == -1)
		goto out;
	base = strcmp(role, "base") == 0;
	if (!base && strcmp(role, "additional") != 0) {
		fail_set(f, EX_DATAERR,
		    "role: must be \"base\" or \"additional\"");
		goto out;
	}
	if (base && has_base(p)) {
		fail_set(f, EX_DATAERR, "role: a second \"base\"");
		goto out;
	}
	/* Each is asked once; the first mention counts. */
	if (known(p, text)) {
		r = 0;
		goto out;
	}
	more = reallocarray(p->refs, p->nrefs + 1, sizeof(*more));
	if (more == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		goto out;
	}
	p->refs = more;
	p->refs[p->nrefs++] = (struct prepare_reference){
	    .text = text, .base = base, .template = TEMPLATE_INIT };
	text = NULL;
	r = 0;
out:
	free(text);
	free(role);
	return r;
}

static int
read_references(struct prepare *p, const struct span *plan, struct fail *f)
{
	struct span refs, entry;
	const char *pos = NULL;
	char *import = NULL;
	int r;

	if (json_sub(plan, "references", JSON_NEED, '[', &refs, f) == -1)
		return -1;
	if ((r = json_string(plan, "importImageReference", JSON_MAY, &import,
	    f)) == -1)
		return -1;
	free(import);
	while (span_next(&refs, &pos, NULL, &entry) == 1) {
		/* An import looks nothing up (tl-wire(7), "Import"). */
		if (r == 1)
			return fail_set(f, EX_DATAERR,
			    "references: an import has none");
		if (!span_is_object(&entry))
			return fail_set(f, EX_DATAERR,
			    "references: an entry is not an object");
		if (add_reference(p, &entry, f) == -1)
			return fail_in(f, "references");
	}
	return 0;
}

int
prepare_plan(struct prepare *p, const struct span *plan, struct fail *f)
{
	*p = (struct prepare)PREPARE_INIT;
	if (!span_is_object(plan))
		return fail_set(f, EX_DATAERR,
		    "not a JSON object, expected a plan");
	if (json_string(plan, "name", JSON_NEED, &p->name, f) == -1 ||
	    json_string(plan, "dockerfile", JSON_NEED, &p->dockerfile, f)
	    == -1 ||
	    json_string(plan, "baseImage", JSON_NEED, &p->base_image, f)
	    == -1 ||
	    json_bool(plan, "public", JSON_NEED, &p->is_public, f) == -1 ||
	    read_references(p, plan, f) == -1) {
		prepare_free(p);
		return -1;
	}
	return 0;
}

void
prepare_free(struct prepare *p)
{
	size_t i;

	for (i = 0; i < p->nrefs; i++) {
		free(p->refs[i].text);
		template_free(&p->refs[i].template);
	}
	free(p->refs);
	free(p->name);
	free(p->dockerfile);
	free(p->base_image);
	*p = (struct prepare)PREPARE_INIT;
}

int
prepare_lookup(struct prepare *p, struct http *http,
    const struct cloud *cloud, void (*note)(const char *), struct fail *f)
{
	char line[256], shown[160];
	size_t i;
	int r;

	for (i = 0; i < p->nrefs; i++) {
		struct prepare_reference *ref = &p->refs[i];

		r = template_lookup(http, cloud, ref->text, note,
		    &ref->template, f);
		if (r == -1)
			return -1;
		ref->found = r == 1;
		if (note != NULL) {
			snprintf(line, sizeof(line), "%s: %s",
			    fail_show(shown, sizeof(shown), ref->text, 150),
			    ref->found ? "a template" : "not a template");
			note(line);
		}
	}
	/* All are known before one is refused: the base's turn comes first. */
	for (i = 0; i < p->nrefs; i++)
		if (p->refs[i].found && template_eligible(
		    &p->refs[i].template, p->refs[i].text, f) == -1)
			return -1;
	return 0;
}

int
prepare_body(const struct prepare *p, struct buf *out, struct fail *f)
{
	const struct prepare_reference *base = NULL;
	struct jout j = JOUT_INIT(out);
	size_t i;

	for (i = 0; i < p->nrefs; i++)
		if (p->refs[i].base && p->refs[i].found)
			base = &p->refs[i];
	jout_object(&j);
	jout_member(&j, "name", p->name);
	jout_member(&j, "dockerfile", p->dockerfile);
	jout_member(&j, "baseImage", p->base_image);
	jout_key(&j, "public");
	jout_bool(&j, p->is_public);
	jout_member(&j, "rootfsNodeKind", base != NULL ? "diff" : "base");
	jout_key(&j, "parentTemplate");
	if (base != NULL)
		template_write(&base->template, base->text, &j);
	else
		jout_null(&j);
	jout_key(&j, "additionalLocalImages");
	jout_array(&j);
	for (i = 0; i < p->nrefs; i++)
		if (!p->refs[i].base && p->refs[i].found)
			template_write(&p->refs[i].template, p->refs[i].text,
			    &j);
	jout_close(&j);
	jout_close(&j);
	return jout_end(&j, f);
}

/* Upstream finds a command that is none when the sandbox is paid for. */
static int
check_command(const char *command, struct fail *f)
{
	char **argv;

	if (builder_argv(command, &argv, f) == -1) {
		if (f->status == EX_DATAERR)
			f->status = EX_PROTOCOL;
		return -1;
	}
	builder_free(argv);
	return 0;
}

int
prepare_post(const struct prepare *p, struct http *http,
    const struct cloud *cloud, const char *key_line,
    void (*note)(const char *), struct buf *out, struct fail *f)
{
	const char *const extra[] = { key_line, NULL };
	struct retry again = { .what = "prepare", .note = note };
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	struct buf body = BUF_INIT(BUF_DOC_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request request = { .method = "POST", .fresh = true,
	    .reply_max = BUF_DOC_MAX };
	struct prepared prepared = PREPARED_INIT;
	struct cloud_headers head;
	int r = -1;

	if (prepare_body(p, &body, f) == -1 ||
	    cloud_platform_url(cloud, &url, "sandbox-template-builds", f)
	    == -1)
		goto out;
	request.url = url.data;
	request.bearer = cloud->token;
	request.json = body.data;
	do {
		if (cloud_headers(cloud, &head, extra, f) == -1)
			goto out;
		request.headers = head.list;
		r = retry_exchange(&again, http, &request, &reply, f);
		cloud_headers_free(&head);
	} while (retry_again(&again, r, &reply, f));
	if (r == -1)
		goto out;
	if (reply.status < 200 || reply.status > 299)
		r = http_refused(&reply, "prepare", f);
	else if ((r = prepared_parse(&prepared, &reply.body, EX_PROTOCOL, f))
	    == -1 || (r = check_command(prepared.builder.command, f)) == -1)
		fail_in(f, "prepare: the server's answer");
	else
		r = buf_add(out, reply.body.data, reply.body.len, f);
out:
	prepared_free(&prepared);
	http_reply_free(&reply);
	buf_free(&body);
	buf_free(&url);
	return r;
}
