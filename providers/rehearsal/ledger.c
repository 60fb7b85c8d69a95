/* Lines of the ledger. */

#include "providers/rehearsal/ledger.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "providers/rehearsal/meters.h"
#include "shared/base/clock.h"
#include "shared/json/json_write.h"

#define LINE_MAX_BYTES ((size_t)8 << 20)
#define BODY_MAX_BYTES ((size_t)1 << 20) /* more of a body is not kept */

static void write_usage(struct json_write *write, const struct usage *usage)
{
    if (!usage) {
        json_write_null(write, "usage");
        return;
    }
    json_write_open_object(write, "usage");
    json_write_int(write, "prompt_tokens", usage->input);
    json_write_int(write, "completion_tokens", usage->output);
    json_write_close(write);
}

static void write_details(struct json_write *write, const struct usage *usage)
{
    if (!usage) {
        json_write_null(write, "usage_details");
        return;
    }
    json_write_open_object(write, "usage_details");
    json_write_int(write, "cached_tokens", usage->cached);
    json_write_int(write, "cache_write_tokens", usage->cache_write);
    json_write_int(write, "reasoning_tokens", usage->reasoning);
    json_write_close(write);
}

static void write_time(struct json_write *write)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    char stamp[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_write_string(write, "time", stamp);
}

static void write_body(struct json_write *write, const char *name, struct text body)
{
    CLEANUP(buf_deinit) struct buf kept = {0};

    if (!body.ptr) {
        json_write_null(write, name);
        return;
    }
    buf_init(&kept, 0);
    buf_add_utf8(&kept, text_prefix(body, BODY_MAX_BYTES));
    json_write_text(write, name, kept.len ? buf_text(&kept) : TEXT(""));
}

static void write_key(struct json_write *write, struct text key)
{
    CLEANUP(buf_deinit) struct buf masked = {0};

    buf_init(&masked, 0);
    key_masked(key, &masked);
    json_write_text(write, "key", masked.len ? buf_text(&masked) : TEXT_NONE);
}

static void write_line(const struct ledger *ledger, const struct ledger_line *line, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    write_time(&write);
    json_write_text(&write, "model", line->conversation->model);
    json_write_string(&write, "messages", line->conversation->messages_sha256);
    json_write_text(&write, "idempotency_key", line->idempotency_key);
    json_write_string(&write, "rule", line->rule);
    json_write_int(&write, "status", line->status);
    json_write_bool(&write, "closed", line->closed);
    write_usage(&write, line->usage);
    json_write_int(&write, "ms", line->ms);
    write_key(&write, line->key);
    json_write_string(&write, "dialect", line->dialect);
    json_write_bool(&write, "stream", line->stream);
    write_details(&write, line->usage);
    if (ledger->bodies) {
        write_body(&write, "request", line->request);
        write_body(&write, "reply", line->reply);
    }
    json_write_close(&write);
    buf_add_char(out, '\n');
}

void rehearsal_ledger_write(const struct ledger *ledger, const struct ledger_line *line)
{
    CLEANUP(buf_deinit) struct buf out = {0};
    ssize_t written;

    if (ledger->fd < 0)
        return;
    buf_init(&out, LINE_MAX_BYTES);
    buf_reserve(&out, 512);
    write_line(ledger, line, &out);
    if (out.failed)
        return;
    do
        written = write(ledger->fd, out.ptr, out.len);
    while (written < 0 && errno == EINTR);
}
