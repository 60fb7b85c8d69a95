#include "scheduler/api/openai/responses/response_lines.h"

#include <stdlib.h>

#include "scheduler/api/openai/responses/response_create.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "scheduler/api/openai/responses/response_render.h"
#include "scheduler/api/request.h"
#include "shared/base/memory.h"
#include "shared/store/polls/run_reader.h"

struct response_lines {
    struct api api; /* as much of it as making and showing a response takes */
};

struct response_lines *response_lines_new(const struct response_lines_options *options)
{
    struct response_lines *lines = xcalloc(1, sizeof(*lines));

    lines->api.pg = lines->api.pg_large = options->pg;
    lines->api.registry = options->registry;
    lines->api.submitter = options->submitter;
    lines->api.run_reader = run_reader_new(options->pg);
    return lines;
}

void response_lines_free(struct response_lines *lines)
{
    if (!lines)
        return;
    run_reader_free(lines->api.run_reader);
    free(lines);
}

void response_lines_set_registry(struct response_lines *lines, struct provider_registry *registry)
{
    lines->api.registry = registry;
}

bool response_line_erases(const struct run *run)
{
    return response_is_unstored(run);
}

static struct request request_of(struct response_lines *lines, const struct store *store,
                                 const struct response_ask *ask)
{
    static const struct endpoint none = {.stream = NULL};
    struct request request = {
        .api = &lines->api,
        .endpoint = &none,
        .store = *store,
        .body = ask->body,
        .object = ask->run,
    };

    if (ask->made_in) {
        request.given = *ask->made_in;
        request.traced = true;
    }
    buf_init(&request.reply, 0);
    return request;
}

static int end(struct request *request, int r, struct failure *failure)
{
    buf_deinit(&request->reply);
    if (r < 0)
        *failure = request->failure;
    return r;
}

int response_line_prepare(struct response_lines *lines, const struct store *store,
                          const struct response_ask *ask, struct submit_draft *out,
                          struct json_object **out_run, struct failure *failure)
{
    struct request request = request_of(lines, store, ask);

    return end(&request, response_prepare(&request, out, out_run), failure);
}

int response_line_submit(struct response_lines *lines, const struct store *store,
                         const struct response_ask *ask, struct failure *failure)
{
    struct request request = request_of(lines, store, ask);

    request.replaying = true; /* it may be there */
    return end(&request, response_make_low(&request), failure);
}

int response_line_write(const struct run *run, const struct response_words *words,
                        struct arena *arena, struct buf *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf items;
    int r;

    buf_init(&items, (size_t)64 << 20);
    r = response_items(run, words, arena, &items, err);
    if (r == 0)
        r = buf_check(&items, err);
    if (r == 0)
        response_write(run, buf_text(&items), out);
    return r;
}
