/* The flow of a batch: upload, make, look now and then until it has ended, fetch its files.
 *
 * The batch is the server's: who interrupts the command loses nothing, and the next one looks on.
 * The batch's metadata have the hash of its lines, so none is taken for another one's. */

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "scheduler/cli/batch/batch.h"
#include "scheduler/cli/files/file_transfer.h"
#include "scheduler/cli/interrupt.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

#define LOOK_FIRST_MS 100
#define UPLOAD_MS     ((int64_t)3600 * 1000)
#define LOOK_LAST_MS  2000
#define LINE_EVERY_MS 5000
#define UPLOAD_BYTES  ((size_t)2 << 30)
#define LINES_MEMBER  "penstock_lines"
#define FAULTS_SHOWN  20

struct flow {
    struct batch_run *run;
    int64_t started_ms;
    int64_t shown_ms;
    bool bar;
};

/* ---- its beginning ---- */

/* The lines, as a form for POST /v1/files. */
static int write_form(struct flow *flow, const char *boundary, struct buf *form, struct error *err)
{
    struct batch_run *run = flow->run;
    struct text lines;
    size_t from;

    buf_printf(form,
               "--%s\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
               "--%s\r\nContent-Disposition: form-data; name=\"file\"; "
               "filename=\"prompts.jsonl\"\r\n\r\n",
               boundary, boundary);
    from = form->len;
    for (size_t i = 0; i < run->items->count; i++)
        batch_line_write(&run->items->items[i], run->agent_id, run->variables, form);
    if (form->failed)
        return error_set(err, E_LIMIT, "the prompts are too many for one batch");
    lines = (struct text){buf_string(form) + from, form->len - from};
    sha256_hex(lines, run->state.lines);
    buf_printf(form, "\r\n--%s--\r\n", boundary);
    return buf_check(form, err);
}

static int take_id(struct json_object *reply, char *out, size_t size, struct error *err)
{
    const char *id = json_get_string(reply, "id");

    if (!id || !client_is_plain(id) || strlen(id) >= size)
        return error_set(err, E_PROTOCOL, "the server's reply has no id: is it Penstock?");
    (void)snprintf(out, size, "%s", id);
    return 0;
}

static int send_form(struct flow *flow, const char *boundary, struct text form, struct error *err)
{
    CLEANUP(freep) char *type = xasprintf("multipart/form-data; boundary=%s", boundary);
    const struct client_call call = {
        .method = "POST",
        .path = "/v1/files",
        .body = form,
        .content_type = type,
        .timeout_ms = UPLOAD_MS,
        .repeatable = true,
    };
    struct client_reply reply = {0};
    int r = client_send(flow->run->client, &call, &reply, err);

    if (r < 0)
        return r;
    r = take_id(reply.json, flow->run->state.file, sizeof(flow->run->state.file), err);
    client_reply_deinit(&reply);
    return r;
}

static int keep(struct flow *flow, struct error *err)
{
    return flow->run->state_path ? batch_state_write(flow->run->state_path, &flow->run->state, err)
                                 : 0;
}

/* With the key of the state: sent again it is the same batch. */
static int make(struct flow *flow, struct error *err)
{
    struct batch_state *state = &flow->run->state;
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct json_object *metadata = json_object_new_object();
    struct client_call call = {
        .method = "POST", .path = "/v1/batches", .idempotency_key = state->key};
    struct client_reply reply = {0};
    int r;

    json_object_object_add(metadata, LINES_MEMBER, json_object_new_string(state->lines));
    json_object_object_add(body, "input_file_id", json_object_new_string(state->file));
    json_object_object_add(body, "endpoint", json_object_new_string(BATCH_ENDPOINT));
    json_object_object_add(body, "completion_window", json_object_new_string("24h"));
    json_object_object_add(body, "metadata", metadata);
    call.body = json_text(body);
    r = client_send(flow->run->client, &call, &reply, err);
    if (r < 0)
        return r;
    r = take_id(reply.json, state->id, sizeof(state->id), err);
    client_reply_deinit(&reply);
    return r < 0 ? r : keep(flow, err);
}

/* *out_known: there is one that is under way. Its lines are the same. */
static int find_state(struct flow *flow, bool *out_known, struct error *err)
{
    struct batch_run *run = flow->run;
    struct batch_state known;
    int r;

    *out_known = false;
    if (!run->state_path)
        return 0;
    r = batch_state_read(run->state_path, &known, err);
    if (r == -E_NOT_FOUND)
        return 0;
    if (r < 0)
        return r;
    if (strcmp(known.lines, run->state.lines) != 0)
        return error_set(err, E_INVALID,
                         "%s says that a batch of other prompts, another agent or other variables "
                         "is under way (%s): finish that one, or delete this file",
                         run->state_path, known.id[0] ? known.id : "not known yet");
    run->state = known;
    *out_known = true;
    return 0;
}

static int upload(struct flow *flow, struct error *err)
{
    struct batch_state *state = &flow->run->state;
    CLEANUP(buf_deinit) struct buf form = {0};
    char boundary[UUID_TEXT_SIZE];
    bool known;
    int r;

    uuid_format(uuid_new(), boundary);
    buf_init(&form, UPLOAD_BYTES);
    r = write_form(flow, boundary, &form, err);
    if (r < 0 || flow->run->batch_id)
        return r;
    r = find_state(flow, &known, err);
    if (r < 0 || known)
        return r;
    (void)snprintf(state->key, sizeof(state->key), "batch-%s", boundary);
    r = send_form(flow, boundary, buf_text(&form), err);
    return r < 0 ? r : keep(flow, err);
}

static int begin(struct flow *flow, struct error *err)
{
    struct batch_run *run = flow->run;
    int r = upload(flow, err);

    if (r == 0 && run->batch_id)
        (void)snprintf(run->state.id, sizeof(run->state.id), "%s", run->batch_id);
    if (r < 0 || run->state.id[0])
        return r;
    return make(flow, err);
}

/* ---- until it has ended ---- */

static size_t terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static void show(struct flow *flow)
{
    CLEANUP(buf_deinit) struct buf line = {0};
    struct batch_progress *progress = &flow->run->progress;

    if (!flow->bar && clock_ms() - flow->shown_ms < LINE_EVERY_MS)
        return;
    flow->shown_ms = clock_ms();
    buf_init(&line, 4096);
    batch_format_progress(progress, flow->bar ? terminal_width() : 0, &line);
    (void)fprintf(stderr, flow->bar ? "\r%s\033[K" : "%s\n", buf_string(&line));
    (void)fflush(stderr);
}

static void take_counts(struct flow *flow, struct json_object *batch)
{
    struct batch_progress *progress = &flow->run->progress;
    struct json_object *counts = json_get(batch, "request_counts");
    struct json_object *usage = json_get(batch, "usage");

    progress->failed = (size_t)json_get_int(counts, "failed", 0);
    progress->done = (size_t)json_get_int(counts, "completed", 0) + progress->failed;
    progress->input_tokens = (uint64_t)json_get_int(usage, "input_tokens", 0);
    progress->output_tokens = (uint64_t)json_get_int(usage, "output_tokens", 0);
    progress->cost_micros = json_get_int(usage, "cost_micros", 0);
    progress->elapsed_ms = clock_ms() - flow->started_ms;
}

static bool is_over(struct text status)
{
    return text_is(status, "completed") || text_is(status, "failed") ||
           text_is(status, "expired") || text_is(status, "cancelled");
}

static int check_same(const struct flow *flow, struct json_object *batch, struct error *err)
{
    const struct batch_state *state = &flow->run->state;

    if (text_is(json_get_text(json_get(batch, "metadata"), LINES_MEMBER), state->lines))
        return 0;
    return error_set(err, E_INVALID,
                     "%s is a batch of other prompts, another agent or other "
                     "variables",
                     state->id);
}

/* *out: the batch at its end. */
static int await_end(struct flow *flow, struct client_reply *out, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/batches/%s", flow->run->state.id);
    int64_t wait_ms = LOOK_FIRST_MS;
    int r;

    for (;;) {
        r = client_get(flow->run->client, path, out, err);
        if (r < 0)
            return r;
        r = check_same(flow, out->json, err);
        if (r < 0)
            break;
        take_counts(flow, out->json);
        if (is_over(json_get_text(out->json, "status")))
            return 0;
        show(flow);
        client_reply_deinit(out);
        *out = (struct client_reply){0};
        r = fiber_sleep(wait_ms, err);
        if (r < 0)
            return r;
        wait_ms = wait_ms * 3 / 2 < LOOK_LAST_MS ? wait_ms * 3 / 2 : LOOK_LAST_MS;
    }
    client_reply_deinit(out);
    return r;
}

/* ---- its files ---- */

/* Where each answer stands. */
static int index_lines(FILE *file, struct batch_items *items, struct json_object *places,
                       struct error *err)
{
    char *line = NULL;
    size_t size = 0;
    int64_t at = 0;
    ssize_t len;
    int r = 0;

    rewind(file);
    while (r == 0 && (len = getline(&line, &size, file)) > 0) {
        CLEANUP(json_freep) struct json_object *json = NULL;
        const char *custom_id;
        int64_t place;

        r = json_decode(text_trim((struct text){line, (size_t)len}), JSON_DEPTH_DEFAULT * 2, &json,
                        err);
        custom_id = json_get_string(json, "custom_id");
        place = custom_id ? json_get_int(places, custom_id, -1) : -1;
        if (r == 0 && place >= 0) {
            items->items[place].file = file;
            items->items[place].at = at;
            items->items[place].bytes = (size_t)len;
        }
        at += len;
    }
    free(line);
    if (r == 0 && ferror(file))
        r = error_set(err, E_SYSTEM, "a downloaded file can't be read");
    return r;
}

static int write_piece(void *arg, struct text bytes, struct error *err)
{
    return fwrite(bytes.ptr, 1, bytes.len, arg) == bytes.len
               ? 0
               : error_set(err, E_SYSTEM, "what was downloaded can't be written");
}

static int fetch(struct flow *flow, struct json_object *batch, struct json_object *places,
                 struct error *err)
{
    static const char *const names[] = {"output_file_id", "error_file_id"};
    struct batch_run *run = flow->run;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(names); i++) {
        const char *id = json_get_string(batch, names[i]);
        struct file_fetching fetching = {.id = id, .write = write_piece};

        if (!id || !client_is_plain(id))
            continue;
        fetching.arg = run->files[i] = tmpfile();
        if (!run->files[i])
            return error_set(err, E_SYSTEM, "a temporary file can't be made");
        r = file_fetch(run->client, &fetching, err);
        if (r == 0)
            r = index_lines(run->files[i], run->items, places, err);
    }
    return r;
}

static int fetch_all(struct flow *flow, struct json_object *batch, struct error *err)
{
    CLEANUP(json_freep) struct json_object *places = json_object_new_object();
    struct batch_items *items = flow->run->items;

    for (size_t i = 0; i < items->count; i++)
        json_object_object_add(places, items->items[i].custom_id,
                               json_object_new_int64((int64_t)i));
    return fetch(flow, batch, places, err);
}

/* Its lines are not as they must be, or its file is gone: told line by line. */
static int tell_faults(struct json_object *batch, struct error *err)
{
    struct json_object *faults = json_get(json_get(batch, "errors"), "data");
    size_t count = faults ? json_object_array_length(faults) : 0;

    for (size_t i = 0; i < count && i < FAULTS_SHOWN; i++)
        terminal_complain(
            "%.*s", TEXT_ARGS(json_get_text(json_object_array_get_idx(faults, i), "message")));
    return error_set(err, E_REJECTED, "the batch %s failed", json_get_string(batch, "id"));
}

static int go_through(struct flow *flow, struct error *err)
{
    struct client_reply reply = {0};
    int r = begin(flow, err);

    if (r == 0)
        r = await_end(flow, &reply, err);
    if (flow->bar)
        (void)fprintf(stderr, "\r\033[K");
    if (r < 0)
        return r;
    if (text_is(json_get_text(reply.json, "status"), "failed") &&
        !json_get_string(reply.json, "output_file_id") &&
        !json_get_string(reply.json, "error_file_id"))
        r = tell_faults(reply.json, err);
    else
        r = fetch_all(flow, reply.json, err);
    client_reply_deinit(&reply);
    return r;
}

int batch_run(struct batch_run *run, struct error *err)
{
    struct flow flow = {.run = run,
                        .started_ms = clock_ms(),
                        .shown_ms = clock_ms(),
                        .bar = isatty(STDERR_FILENO) == 1};
    struct interrupt interrupt;
    int r;

    run->progress = (struct batch_progress){.total = run->items->count};
    interrupt_start(&interrupt);
    r = go_through(&flow, err);
    interrupt_stop(&interrupt);
    run->signal = interrupt.signal;
    run->interrupted = r < 0 && interrupt.signal != 0;
    run->progress.elapsed_ms = clock_ms() - flow.started_ms;
    return r;
}
