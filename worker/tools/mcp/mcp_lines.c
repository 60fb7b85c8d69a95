/* The conversation with a server that is a program.
 *
 * One fiber reads what it says and hands answers to those who wait for them by their id; another
 * one reads what it complains of, of which the end is kept.
 */

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/io/io.h"
#include "worker/tools/mcp/mcp_process.h"

#define READ_BYTES   ((size_t)64 << 10)
#define LISTEN_BYTES 512
#define LISTEN_MS    1000 /* behind the end of its output: what it complained of comes along */

/* A request of which the answer is awaited. */
struct waiting {
    struct list link;
    int64_t id;
    bool answered;
    struct mcp_incoming message;
    int64_t heard_ms;
};

/* ---- reading ---- */

static struct waiting *find(struct mcp_process *process, int64_t id)
{
    list_for_each (item, &process->pending) {
        struct waiting *waiting = CONTAINER_OF(item, struct waiting, link);

        if (waiting->id == id && !waiting->answered)
            return waiting;
    }
    return NULL;
}

static void note_progress(struct mcp_process *process, const struct mcp_incoming *message)
{
    list_for_each (item, &process->pending) {
        struct waiting *waiting = CONTAINER_OF(item, struct waiting, link);

        if (mcp_is_progress(message, waiting->id))
            waiting->heard_ms = clock_ms();
    }
}

static void answer_server(struct mcp_process *process, const struct mcp_incoming *message)
{
    CLEANUP(buf_deinit) struct buf line = {0};

    buf_init(&line, 0);
    mcp_reply_write(message->whose, message->method, &line);
    IGNORE(
        mcp_process_write(process, &line, deadline_in(MCP_WRITE_MS), NULL)); /* it is dead then */
}

/* What is no message (some print to their output) is passed over. */
static void take_line(struct mcp_process *process, struct text line)
{
    struct mcp_incoming message;
    struct waiting *waiting;
    struct error err;

    if (text_trim(line).len == 0 || mcp_message_read(line, &message, &err) < 0)
        return;
    waiting = message.kind == MCP_RESPONSE ? find(process, message.id) : NULL;
    if (waiting) {
        waiting->message = message;
        waiting->answered = true;
        cond_broadcast(&process->changed);
        return;
    }
    note_progress(process, &message);
    if (mcp_is_list_changed(&message))
        mcp_list_forget(process->server);
    if (message.kind == MCP_REQUEST)
        answer_server(process, &message);
    mcp_incoming_deinit(&message);
}

static bool take_lines(struct mcp_process *process, struct buf *gathered)
{
    struct text rest = buf_text(gathered);
    struct text line;

    while (text_cut(rest, '\n', &line, &rest))
        take_line(process, line);
    if (gathered->failed)
        return false;
    buf_consume(gathered, gathered->len - rest.len);
    return true;
}

/* It has ended; what it complained of comes along. */
static void await_complaint(struct mcp_process *process)
{
    int64_t deadline_ms = deadline_in(LISTEN_MS);

    while (!process->listened && cond_wait(&process->changed, deadline_ms, NULL) == 0)
        ;
}

void mcp_process_read(void *arg)
{
    struct mcp_process *process = arg;
    CLEANUP(buf_deinit) struct buf gathered = {0};
    char *piece = malloc(READ_BYTES);
    size_t count;

    buf_init(&gathered, MCP_MESSAGE_BYTES);
    while (piece && io_read(process->out, piece, READ_BYTES, DEADLINE_NONE, &count, NULL) == 0) {
        buf_add(&gathered, piece, count);
        if (gathered.failed || (memchr(piece, '\n', count) && !take_lines(process, &gathered)))
            break;
    }
    free(piece);
    await_complaint(process);
    process->dead = true;
    cond_broadcast(&process->changed);
}

static void keep_end(struct mcp_process *process, const char *piece, size_t count)
{
    size_t room = sizeof(process->tail) - process->tail_len;
    size_t gone = count > room ? count - room : 0;

    _Static_assert(sizeof(process->tail) >= LISTEN_BYTES, "a piece fits");
    memmove(process->tail, process->tail + gone, process->tail_len - gone);
    process->tail_len -= gone;
    memcpy(process->tail + process->tail_len, piece, count);
    process->tail_len += count;
}

void mcp_process_listen(void *arg)
{
    struct mcp_process *process = arg;
    char piece[LISTEN_BYTES];
    size_t count;

    while (io_read(process->error, piece, sizeof(piece), DEADLINE_NONE, &count, NULL) == 0)
        keep_end(process, piece, count);
    process->listened = true;
    cond_broadcast(&process->changed);
}

static void find_complaint(const struct mcp_process *process, char out[MCP_COMPLAINT_SIZE])
{
    struct text rest = {process->tail, process->tail_len};
    struct text chosen = TEXT("");
    bool speaks = false;

    while (rest.len > 0) {
        struct text line = rest;

        if (!text_cut(rest, '\n', &line, &rest))
            rest = TEXT("");
        line = text_trim(line);
        if (line.len == 0 || (speaks && !memmem(line.ptr, line.len, "rror", 4)))
            continue;
        speaks = memmem(line.ptr, line.len, "rror", 4) != NULL;
        chosen = line;
    }
    text_excerpt(chosen, out, MCP_COMPLAINT_SIZE);
}

int mcp_process_died(const struct mcp_process *process, struct error *err)
{
    char complaint[MCP_COMPLAINT_SIZE];

    find_complaint(process, complaint);
    return error_set(err, E_CLOSED, "the server's program ended%s%s", complaint[0] ? ": " : "",
                     complaint);
}

/* ---- writing ---- */

/* One at a time. A line that was cut is the end of the program, which would take the next one for
 * its rest. */
int mcp_process_write(struct mcp_process *process, const struct buf *line, int64_t deadline_ms,
                      struct error *err)
{
    int r = buf_check(line, err);

    while (r == 0 && process->writing)
        r = cond_wait(&process->changed, deadline_ms, err);
    if (r < 0)
        return r;
    if (process->dead)
        return mcp_process_died(process, err);
    process->writing = true;
    fiber_shield_enter();
    r = io_write(process->in, line->ptr, line->len,
                 deadline_min(deadline_ms, deadline_in(MCP_WRITE_MS)), err);
    if (r == 0)
        r = io_write(process->in, "\n", 1, deadline_in(MCP_WRITE_MS), err);
    fiber_shield_leave();
    process->writing = false;
    process->dead |= r < 0;
    cond_broadcast(&process->changed);
    if (r != -E_CLOSED)
        return r;
    await_complaint(process);
    return mcp_process_died(process, err);
}

/* ---- requests ---- */

static void tell_cancelled(struct mcp_process *process, int64_t id)
{
    CLEANUP(buf_deinit) struct buf line = {0};

    buf_init(&line, 0);
    buf_printf(&line,
               "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
               "\"requestId\":%lld,\"reason\":\"nobody waits for it any more\"}}",
               (long long)id);
    fiber_shield_enter();
    IGNORE(mcp_process_write(process, &line, deadline_in(500), NULL));
    fiber_shield_leave();
}

static int await(struct mcp_process *process, struct waiting *waiting, int64_t idle_ms,
                 int64_t deadline_ms, struct error *err)
{
    int r = 0;

    while (r == 0 && !waiting->answered) {
        int64_t limit_ms = deadline_min(deadline_ms, waiting->heard_ms + idle_ms);

        if (process->dead)
            return mcp_process_died(process, err);
        if (clock_ms() >= limit_ms)
            return error_set(err, E_TIMEOUT, "the server did not answer within %.1f seconds",
                             (double)(clock_ms() - waiting->heard_ms) / 1000);
        r = cond_wait(&process->changed, limit_ms, err);
        if (r == -E_TIMEOUT)
            r = 0;
    }
    return r;
}

/* Returns 0 with *out. */
int mcp_process_converse(struct mcp_process *process, const struct buf *line, int64_t id,
                         int64_t idle_ms, int64_t deadline_ms, struct mcp_incoming *out,
                         struct error *err)
{
    struct waiting waiting = {.id = id, .heard_ms = clock_ms()};
    int r;

    list_add(&process->pending, &waiting.link);
    r = mcp_process_write(process, line, deadline_ms, err);
    if (r == 0)
        r = await(process, &waiting, idle_ms, deadline_ms, err);
    list_remove(&waiting.link);
    if (r == -E_TIMEOUT || r == -E_CANCELED)
        tell_cancelled(process, id);
    if (r < 0) {
        if (waiting.answered)
            mcp_incoming_deinit(&waiting.message);
        return r;
    }
    *out = waiting.message;
    return 0;
}
