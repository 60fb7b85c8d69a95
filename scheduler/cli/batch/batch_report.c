/* What a batch tells: progress, results, summary. */

#include "scheduler/cli/batch/batch.h"

#include "scheduler/cli/display/money.h"

#define BAR_MAX        30
#define POLL_FIRST_MS  250
#define POLL_LAST_MS   5000
#define POLL_AFTER_MAX 30000

static double rate(const struct batch_progress *progress)
{
    return progress->elapsed_ms > 0 ? (double)progress->done * 1000 / (double)progress->elapsed_ms
                                    : 0;
}

static void add_count(struct buf *out, uint64_t count)
{
    if (count < 10000)
        buf_printf(out, "%llu", (unsigned long long)count);
    else if (count < 10000000)
        buf_printf(out, "%lluk", (unsigned long long)(count / 1000));
    else
        buf_printf(out, "%lluM", (unsigned long long)(count / 1000000));
}

static void add_left(const struct batch_progress *progress, struct buf *out)
{
    double per_second = rate(progress);
    uint64_t seconds;

    if (progress->done == 0 || progress->done == progress->total || per_second <= 0)
        return;
    seconds = (uint64_t)((double)(progress->total - progress->done) / per_second);
    buf_printf(out, "  %llu:%02llu left", (unsigned long long)(seconds / 60),
               (unsigned long long)(seconds % 60));
}

static void add_bar(const struct batch_progress *progress, size_t width, struct buf *out)
{
    size_t full = progress->total ? progress->done * width / progress->total : 0;

    buf_add_char(out, '[');
    for (size_t i = 0; i < width; i++)
        buf_add_char(out, i < full ? '#' : '-');
    buf_add_string(out, "] ");
}

void batch_format_progress(const struct batch_progress *progress, size_t width, struct buf *out)
{
    CLEANUP(buf_deinit) struct buf words = {0};
    size_t bar;

    buf_init(&words, 1024);
    buf_printf(&words, "%zu/%zu  %.1f/s", progress->done, progress->total, rate(progress));
    if (progress->submitted < progress->total)
        buf_printf(&words, "  %zu submitted", progress->submitted);
    if (progress->failed > 0)
        buf_printf(&words, "  %zu failed", progress->failed);
    if (progress->waiting > 0)
        buf_printf(&words, "  %zu waiting", progress->waiting);
    buf_add_string(&words, "  ");
    add_count(&words, progress->input_tokens + progress->output_tokens);
    buf_add_string(&words, " tokens");
    add_left(progress, &words);
    bar = width > words.len + 8 ? width - words.len - 4 : 0;
    if (bar > 0)
        add_bar(progress, bar > BAR_MAX ? BAR_MAX : bar, out);
    buf_add_text(out, buf_text(&words));
}

void batch_format_summary(const struct batch_progress *progress, struct buf *out)
{
    buf_printf(out, "runs        %zu (%zu completed, %zu failed", progress->total,
               progress->done - progress->failed - progress->waiting, progress->failed);
    if (progress->waiting > 0)
        buf_printf(out, ", %zu wait for tool outputs", progress->waiting);
    if (progress->done < progress->total)
        buf_printf(out, ", %zu not finished", progress->total - progress->done);
    buf_printf(out,
               ")\ntool calls  %llu\n"
               "tokens      %llu in, %llu out\n",
               (unsigned long long)progress->tool_calls, (unsigned long long)progress->input_tokens,
               (unsigned long long)progress->output_tokens);
    if (progress->cost_micros > 0) {
        char cost[MONEY_SIZE];

        money_format(progress->cost_micros, cost);
        buf_printf(out, "cost        %s\n", cost);
    }
    buf_printf(out, "time        %.1f s, %.1f runs a second\n", (double)progress->elapsed_ms / 1000,
               rate(progress));
}

static void add_member(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    buf_add_json_string(out, value);
}

void batch_format_result(const struct batch_item *item, struct buf *out)
{
    buf_add_string(out, "{\"custom_id\":");
    buf_add_json_string(out, item->custom_id);
    add_member(out, "run_id", item->run_id);
    add_member(out, "thread_id", item->thread_id);
    add_member(out, "status", item->status);
    add_member(out, "answer", item->answer);
    buf_add_string(out, ",\"usage\":");
    json_encode(out, item->usage);
    buf_printf(out, ",\"cost_micros\":%lld", (long long)item->cost_micros);
    buf_add_string(out, ",\"error\":");
    json_encode(out, item->error);
    buf_add_string(out, "}\n");
}

size_t batch_writable(const struct batch_items *items, size_t written)
{
    while (written < items->count && items->items[written].done)
        written++;
    return written;
}

void batch_key(const char *batch_id, unsigned line, char out[80])
{
    (void)snprintf(out, 80, "batch-%.60s-%u", batch_id, line);
}

int64_t batch_poll_ms(unsigned polls, int64_t poll_after_ms)
{
    int64_t wait = POLL_FIRST_MS;

    for (unsigned i = 0; i < polls && wait < POLL_LAST_MS; i++)
        wait = wait * 3 / 2;
    if (wait > POLL_LAST_MS)
        wait = POLL_LAST_MS;
    if (poll_after_ms > POLL_AFTER_MAX)
        poll_after_ms = POLL_AFTER_MAX;
    return wait > poll_after_ms ? wait : poll_after_ms;
}
