/* What a batch tells: progress, results, summary. */

#include "scheduler/cli/batch/batch.h"

#include "scheduler/cli/display/money.h"

#define BAR_MAX 30

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
    if (progress->failed > 0)
        buf_printf(&words, "  %zu failed", progress->failed);
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
               progress->done - progress->failed - progress->calls, progress->failed);
    if (progress->calls > 0)
        buf_printf(out, ", %zu called functions", progress->calls);
    if (progress->done < progress->total)
        buf_printf(out, ", %zu not finished", progress->total - progress->done);
    buf_printf(out, ")\ntokens      %llu in, %llu out\n",
               (unsigned long long)progress->input_tokens,
               (unsigned long long)progress->output_tokens);
    if (progress->cost_micros > 0) {
        char cost[MONEY_SIZE];

        money_format(progress->cost_micros, cost);
        buf_printf(out, "cost        %s\n", cost);
    }
    buf_printf(out, "time        %.1f s, %.1f runs a second\n", (double)progress->elapsed_ms / 1000,
               rate(progress));
}

static void add_member(struct buf *out, const char *name, struct text value)
{
    buf_printf(out, "\"%s\":", name);
    if (value.ptr)
        buf_add_json(out, value);
    else
        buf_add_string(out, "null");
    buf_add_char(out, ',');
}

static struct text text_or_none(const char *word)
{
    return word ? text_of(word) : TEXT_NONE;
}

void batch_format_result(const char *custom_id, const struct batch_answer *answer, struct buf *out)
{
    buf_add_char(out, '{');
    add_member(out, "custom_id", text_of(custom_id));
    add_member(out, "run_id", text_or_none(answer->run_id));
    add_member(out, "thread_id", text_or_none(answer->thread_id));
    add_member(out, "status", answer->status);
    add_member(out, "answer", answer->answer);
    buf_add_string(out, "\"usage\":");
    json_encode(out, answer->usage);
    buf_printf(out, ",\"cost_micros\":%lld,\"error\":", (long long)answer->cost_micros);
    if (answer->error_code.ptr || answer->error_message.ptr) {
        buf_add_char(out, '{');
        add_member(out, "code", answer->error_code);
        add_member(out, "message", answer->error_message);
        out->len--; /* the last comma */
        buf_add_char(out, '}');
    } else {
        buf_add_string(out, "null");
    }
    buf_add_string(out, "}\n");
}
