/* The flow of a batch: some fibers submit, some poll, one shows progress, and the caller's waits.
 *
 * Everything happens between suspensions on one thread, so the heap, the counters and the items
 * need no locks. Runs under way lie in a binary heap by the time of their next look; an idle
 * poller waits for that time, or for a new run to come in (`changed`).
 *
 * One run's failure is that run's result. What would fail for all alike (the server can't be
 * reached for minutes, the key is refused) ends the batch: `fatal` keeps the first such error.
 */

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "scheduler/cli/batch/batch.h"
#include "scheduler/cli/interrupt.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/runs/run_body.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"

#define POLLERS_MAX      64
#define SUBMITTERS_MAX   1000
#define BAR_EVERY_MS     200
#define LINE_EVERY_MS    5000
#define WORKERS_MAX      (SUBMITTERS_MAX + POLLERS_MAX + 1)
#define ANSWER_BYTES_MAX ((size_t)16 << 20)

struct flow {
    struct batch_run *run;
    size_t next;  /* to submit */
    size_t *heap; /* indices of items under way */
    size_t heap_count;
    size_t written; /* results */
    size_t working; /* submitters and pollers that have not ended */
    struct cond changed;
    struct cond ended;
    int64_t started_ms;
    int fatal; /* 0, or the code that ended the batch */
    struct error fatal_error;
};

static struct batch_item *item_at(struct flow *flow, size_t heap_place)
{
    return &flow->run->items->items[flow->heap[heap_place]];
}

static bool earlier(struct flow *flow, size_t a, size_t b)
{
    return item_at(flow, a)->next_poll_ms < item_at(flow, b)->next_poll_ms;
}

static void swap(struct flow *flow, size_t a, size_t b)
{
    size_t kept = flow->heap[a];

    flow->heap[a] = flow->heap[b];
    flow->heap[b] = kept;
}

static void heap_add(struct flow *flow, size_t item)
{
    size_t at = flow->heap_count++;

    flow->heap[at] = item;
    for (; at > 0 && earlier(flow, at, (at - 1) / 2); at = (at - 1) / 2)
        swap(flow, at, (at - 1) / 2);
}

static size_t heap_take(struct flow *flow)
{
    size_t taken = flow->heap[0];
    size_t at = 0;

    flow->heap[0] = flow->heap[--flow->heap_count];
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= flow->heap_count)
            return taken;
        if (child + 1 < flow->heap_count && earlier(flow, child + 1, child))
            child++;
        if (!earlier(flow, child, at))
            return taken;
        swap(flow, child, at);
        at = child;
    }
}

static bool is_fatal(int code)
{
    return code == E_DENIED || code == E_UNAVAILABLE || code == E_TIMEOUT || code == E_CLOSED ||
           code == E_CANCELED;
}

static void stop_for(struct flow *flow, const struct error *err)
{
    if (flow->fatal == 0) {
        flow->fatal = err->code;
        flow->fatal_error = *err;
    }
    cond_broadcast(&flow->changed);
}

/* Results that can't be written are no use: the batch ends, and can be gone on with. */
static void check_results(struct flow *flow)
{
    struct error err;

    if (flow->run->results == stdout)
        output_flush();
    else
        (void)fflush(flow->run->results);
    if (!ferror(flow->run->results))
        return;
    (void)error_set(&err, E_SYSTEM, "the results can't be written");
    stop_for(flow, &err);
}

/* The text of an item that is written is needed no more. */
static void write_results(struct flow *flow)
{
    struct batch_items *items = flow->run->items;
    size_t end = batch_writable(items, flow->written);

    for (; flow->written < end; flow->written++) {
        CLEANUP(buf_deinit) struct buf line = {0};
        struct batch_item *item = &items->items[flow->written];

        buf_init(&line, 4 * ANSWER_BYTES_MAX);
        batch_format_result(item, &line);
        (void)fwrite(buf_string(&line), 1, line.len, flow->run->results);
        free(item->answer);
        free(item->prompt);
        item->answer = item->prompt = NULL;
    }
    check_results(flow);
}

static void finish_item(struct flow *flow, struct batch_item *item)
{
    struct batch_progress *progress = &flow->run->progress;

    item->done = true;
    progress->done++;
    if (strcmp(item->status, "requires_action") == 0)
        progress->waiting++;
    else
        progress->failed += strcmp(item->status, "completed") != 0;
    progress->input_tokens += (uint64_t)json_get_int(item->usage, "prompt_tokens", 0);
    progress->output_tokens += (uint64_t)json_get_int(item->usage, "completion_tokens", 0);
    progress->cost_micros += item->cost_micros;
    write_results(flow);
    cond_broadcast(&flow->changed);
}

static struct json_object *error_object(const char *code, const char *message)
{
    struct json_object *error = json_object_new_object();

    json_object_object_add(error, "code", json_object_new_string(code));
    json_object_object_add(error, "message", json_object_new_string(message));
    return error;
}

static void fail_item(struct flow *flow, struct batch_item *item, const char *status,
                      const struct error *err)
{
    free(item->status);
    item->status = xstrdup(status);
    json_free(item->error);
    item->error = error_object(error_name(err->code), err->text);
    finish_item(flow, item);
}

static int submit(struct flow *flow, struct batch_item *item, struct error *err)
{
    CLEANUP(json_freep)
    struct json_object *body = run_submission(flow->run->agent_id, item->prompt);
    struct client_reply reply = {0};
    char key[80];
    struct client_call call = {
        .method = "POST", .path = "/v1/threads/runs", .idempotency_key = key};
    const char *id;
    const char *thread;
    int r;

    if (item->metadata)
        json_object_object_add(body, "metadata", json_object_get(item->metadata));
    run_add_variables(body, item->variables);
    run_add_variables(body, flow->run->variables);
    call.body = json_text(body);
    batch_key(flow->run->batch_id, item->line, key);
    r = client_send(flow->run->client, &call, &reply, err);
    if (r < 0)
        return r;
    id = json_get_string(reply.json, "id");
    thread = json_get_string(reply.json, "thread_id");
    if (!id || !thread || !client_is_plain(id) || !client_is_plain(thread)) {
        r = error_set(err, E_PROTOCOL, "the server's reply has no ids: is it Penstock?");
    } else {
        item->run_id = xstrdup(id);
        item->thread_id = xstrdup(thread);
        item->next_poll_ms = deadline_in(batch_poll_ms(0, reply.poll_after_ms));
    }
    client_reply_deinit(&reply);
    return r;
}

static void end_work(struct flow *flow)
{
    flow->working--;
    cond_broadcast(&flow->ended);
}

static void submitter(void *arg)
{
    struct flow *flow = arg;

    while (flow->fatal == 0 && flow->next < flow->run->items->count) {
        size_t index = flow->next++;
        struct batch_item *item = &flow->run->items->items[index];
        struct error err;
        int r = submit(flow, item, &err);

        if (r < 0 && is_fatal(err.code)) {
            stop_for(flow, &err);
            break;
        }
        flow->run->progress.submitted++;
        if (r < 0) {
            fail_item(flow, item, "rejected", &err);
            continue;
        }
        heap_add(flow, index);
        cond_signal(&flow->changed);
    }
    end_work(flow);
}

/* Takes over what a run came to: status, usage and error, then its answer and the number of its
 * calls. */
static int take_outcome(struct flow *flow, struct batch_item *item, struct json_object *run,
                        struct error *err)
{
    CLEANUP(buf_deinit) struct buf answer = {0};
    CLEANUP(buf_deinit) struct buf why = {0};
    unsigned calls = 0;
    int r;

    buf_init(&answer, ANSWER_BYTES_MAX);
    buf_init(&why, 65536);
    r = run_answer(flow->run->client, item->thread_id, item->run_id, &answer, err);
    if (r == 0)
        r = run_count_calls(flow->run->client, item->thread_id, item->run_id, &calls, err);
    if (r == 0)
        r = buf_check(&answer, err);
    if (r < 0)
        return r;
    item->status = xstrdup(json_get_string(run, "status"));
    item->usage = json_object_get(json_get(run, "usage"));
    item->cost_micros = json_get_int(run, "cost_micros", 0);
    item->error = json_object_get(json_get(run, "last_error"));
    run_explain(run, &why);
    if (!item->error && why.len > 0)
        item->error = error_object(item->status, buf_string(&why));
    if (answer.len > 0)
        item->answer = buf_take(&answer);
    flow->run->progress.tool_calls += calls;
    finish_item(flow, item);
    return 0;
}

static int poll_item(struct flow *flow, size_t index, struct error *err)
{
    struct batch_item *item = &flow->run->items->items[index];
    CLEANUP(freep) char *path = xasprintf("/v1/threads/%s/runs/%s", item->thread_id, item->run_id);
    struct client_reply reply = {0};
    int r = client_get(flow->run->client, path, &reply, err);

    if (r < 0)
        return r;
    if (run_is_over(json_get_string(reply.json, "status"))) {
        r = take_outcome(flow, item, reply.json, err);
    } else {
        item->next_poll_ms = deadline_in(batch_poll_ms(++item->polls, reply.poll_after_ms));
        heap_add(flow, index);
    }
    client_reply_deinit(&reply);
    return r;
}

static bool all_done(const struct flow *flow)
{
    return flow->run->progress.done == flow->run->items->count;
}

static void poller(void *arg)
{
    struct flow *flow = arg;

    while (flow->fatal == 0 && !all_done(flow)) {
        int64_t due_ms = flow->heap_count ? item_at(flow, 0)->next_poll_ms : DEADLINE_NONE;
        struct error err;
        size_t index;
        int r;

        if (due_ms > clock_ms()) {
            r = cond_wait(&flow->changed, due_ms, &err);
            if (r == -E_CANCELED)
                stop_for(flow, &err);
            continue;
        }
        index = heap_take(flow);
        r = poll_item(flow, index, &err);
        if (r < 0 && is_fatal(err.code))
            stop_for(flow, &err);
        else if (r < 0)
            fail_item(flow, &flow->run->items->items[index], "unknown", &err);
    }
    end_work(flow);
}

static size_t terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static void show(struct flow *flow, bool bar)
{
    CLEANUP(buf_deinit) struct buf line = {0};
    struct batch_progress *progress = &flow->run->progress;

    buf_init(&line, 4096);
    progress->elapsed_ms = clock_ms() - flow->started_ms;
    batch_format_progress(progress, bar ? terminal_width() : 0, &line);
    if (bar)
        (void)fprintf(stderr, "\r%s\033[K", buf_string(&line));
    else
        (void)fprintf(stderr, "%s\n", buf_string(&line));
    (void)fflush(stderr);
}

static void shower(void *arg)
{
    struct flow *flow = arg;
    bool bar = isatty(STDERR_FILENO) == 1;
    struct error err;

    while (fiber_sleep(bar ? BAR_EVERY_MS : LINE_EVERY_MS, &err) == 0)
        show(flow, bar);
    if (bar)
        (void)fprintf(stderr, "\r\033[K");
}

static void run_flow(struct flow *flow)
{
    CLEANUP(freep) struct fiber **workers = xcalloc(WORKERS_MAX, sizeof(*workers));
    size_t count = 0;
    size_t submitters = flow->run->concurrency;
    size_t items = flow->run->items->count;
    struct interrupt interrupt;
    struct error err;

    submitters = submitters > SUBMITTERS_MAX ? SUBMITTERS_MAX : submitters;
    submitters = submitters > items ? items : submitters;
    flow->working = submitters + (submitters > POLLERS_MAX ? POLLERS_MAX : submitters);
    interrupt_start(&interrupt);
    for (; count < submitters; count++)
        workers[count] = fiber_start("submit", submitter, flow);
    for (; count < flow->working; count++)
        workers[count] = fiber_start("poll", poller, flow);
    workers[count++] = fiber_start("progress", shower, flow);
    while (flow->working > 0 && flow->fatal == 0)
        if (cond_wait(&flow->ended, deadline_in(500), &err) == -E_CANCELED)
            stop_for(flow, &err);
    for (size_t i = 0; i < count; i++)
        fiber_cancel(workers[i]);
    for (size_t i = 0; i < count; i++)
        fiber_join(workers[i]);
    interrupt_stop(&interrupt);
    flow->run->signal = interrupt.signal;
    flow->run->interrupted = interrupt.signal != 0;
}

int batch_run(struct batch_run *run, struct error *err)
{
    struct flow flow = {.run = run, .started_ms = clock_ms()};

    flow.heap = xcalloc(run->items->count, sizeof(*flow.heap));
    cond_init(&flow.changed);
    cond_init(&flow.ended);
    run->progress = (struct batch_progress){.total = run->items->count};
    run_flow(&flow);
    run->progress.elapsed_ms = clock_ms() - flow.started_ms;
    free(flow.heap);
    if (flow.fatal != 0) {
        *err = flow.fatal_error;
        return -flow.fatal;
    }
    return 0;
}
