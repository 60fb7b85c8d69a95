/* A PDF is a program more than a text, and readers of them have had a hundred holes: so there is no
 * other way than the sandbox, whose walls are those of programs of models. */

#include "worker/tools/web/page_pdf.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "worker/tools/sandbox/sandbox.h"
#include "worker/tools/tool.h"

#define PLACE_WAIT_MS 30000
#define SCANNED_MIN   20 /* bytes a page that are a text */
#define TEXT_MAX      ((size_t)1 << 20)

/* The file that pdftotext has written. */
static struct text find_text(const struct sandbox_outcome *outcome)
{
    struct text rest = buf_text(&outcome->archive);
    struct archive_entry entry;

    while (archive_next(&rest, &entry, NULL) == 0)
        if (entry.kind == ARCHIVE_FILE && text_is(entry.path, "out/" SANDBOX_PDF_OUT))
            return entry.bytes;
    return TEXT_NONE;
}

/* Pages end with a form feed: an empty line and a rule stand for it. */
static void add_pages(struct text text, struct buf *out)
{
    struct text page;
    size_t number = 1;

    while (text_cut(text, '\f', &page, &text)) {
        buf_printf(out, "%s[page %zu]\n", number > 1 ? "\n" : "", number);
        number++;
        buf_add_utf8(out, page);
    }
    buf_add_utf8(out, text);
}

static size_t count_pages(struct text text)
{
    size_t pages = 0;

    for (size_t i = 0; i < text.len; i++)
        pages += text.ptr[i] == '\f';
    return pages > 0 ? pages : 1;
}

static int judge(const struct sandbox_outcome *outcome, struct buf *out, struct error *err)
{
    struct text text = find_text(outcome);

    if (outcome->lost || outcome->end.ending == ENDED_BY_TIME ||
        outcome->end.ending == ENDED_BY_EXCESS)
        return error_set(err, E_LIMIT, "it is a PDF that takes too much time or memory to read");
    if (outcome->end.ending != ENDED_BY_ITSELF || outcome->end.value != 0 || !text.ptr)
        return error_set(err, E_INVALID, "it is a PDF that can't be read: it is broken, or locked");
    if (text_trim(text).len < SCANNED_MIN * count_pages(text))
        return error_set(err, E_INVALID, "it is a PDF without text: its pages are images");
    add_pages(text_prefix(text, TEXT_MAX), out);
    if (text.len > TEXT_MAX)
        buf_add_string(out, "\n[the rest was not read]");
    return buf_check(out, err);
}

int page_pdf_read(const struct tool_call *call, struct text pdf, struct buf *out, struct error *err)
{
    struct sandbox *sandbox = call->services->sandbox;
    const struct sandbox_job job = {
        .language = SANDBOX_PDF,
        .code = pdf,
        .deadline_ms = deadline_min(deadline_in(PLACE_WAIT_MS), call->expires_ms),
    };
    struct sandbox_outcome outcome;
    int r;

    if (!sandbox)
        return error_set(err, E_UNAVAILABLE,
                         "it is a PDF, and these can't be read here: sandboxes are switched off");
    r = sandbox_check(sandbox, &job, err);
    if (r == -E_UNAVAILABLE)
        return error_wrap(err, "it is a PDF, and these can't be read here");
    if (r < 0)
        return r;
    sandbox_outcome_init(&outcome);
    r = sandbox_run(sandbox, &job, &outcome, err);
    if (r == 0)
        r = judge(&outcome, out, err);
    sandbox_outcome_deinit(&outcome);
    return r;
}
