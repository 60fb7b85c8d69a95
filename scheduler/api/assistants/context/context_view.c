/* The request that a run would send, built of what was read; and then, of each message that was
 * read, whether it is in there, and why not. */

#include "scheduler/api/assistants/context/context_view.h"

#include "providers/chat_read.h"
#include "providers/chat_tokens.h"
#include "providers/context/context.h"
#include "shared/agent/prompt.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

/* What became of a message. */
enum fate { SENT, LEFT_BY_STRATEGY, LEFT_BY_BUDGET, LEFT_PARTED };

struct viewing {
    const struct context_view *view;
    struct arena *arena;
    struct buf *out;
    struct json_write w;
    struct chat_request request; /* all that was read */
    struct chat_request sent;    /* what is sent of it */
    int64_t budget;              /* tokens of messages; 0: not known */
};

/* ---- the request ---- */

static int out_of_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the thread is too large to be shown");
}

static int add_prompt(struct json_object *spec, struct viewing *viewing, struct error *err)
{
    CLEANUP(buf_deinit) struct buf prompt;
    char *copy;

    buf_init(&prompt, 0);
    agent_prompt_write(json_get_text(spec, "preamble"), json_get_text(spec, "instructions"),
                       json_get_text(spec, "memory"), &prompt);
    copy = arena_copy(viewing->arena, buf_text(&prompt));
    if (!copy)
        return out_of_room(err);
    viewing->request.instructions = (struct text){copy, prompt.len};
    return 0;
}

/* Functions as they are sent; of the server's own tools, which a worker describes, what the agent
 * says of them. */
static int add_tools(struct text spec, struct viewing *viewing, struct error *err)
{
    struct text tools = json_raw_get(spec, "tools");
    struct json_raw_walk walk;
    struct chat_tool *list;
    struct text value;
    size_t count = 0;

    json_raw_begin(tools, &walk);
    while (json_raw_next(&walk, &value))
        count++;
    list = arena_calloc(viewing->arena, count + 1, sizeof(*list));
    if (!list)
        return out_of_room(err);
    count = 0;
    json_raw_begin(tools, &walk);
    while (json_raw_next(&walk, &value)) {
        struct text function = json_raw_get(value, "function");
        struct error ignored;

        if (!function.ptr || chat_read_function(function, viewing->arena, &list[count], &ignored))
            list[count] = (struct chat_tool){.parameters = value};
        count++;
    }
    viewing->request.tools = list;
    viewing->request.tools_count = count;
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a == 0 || (b > 0 && b < a) ? b : a;
}

static int add_spec(struct viewing *viewing, struct error *err)
{
    CLEANUP(json_freep) struct json_object *spec = NULL;
    struct text raw = TEXT_NONE;
    int r;

    if (!viewing->view->spec.ptr)
        return 0;
    r = json_decode(viewing->view->spec, JSON_DEPTH_DEFAULT * 2, &spec, err);
    if (r == 0)
        r = json_raw_check(viewing->view->spec, JSON_RAW_DEPTH_MAX, &raw, err);
    if (r == 0)
        r = add_prompt(spec, viewing, err);
    if (r == 0)
        r = add_tools(raw, viewing, err);
    if (r == 0)
        viewing->request.max_completion_tokens =
            least(json_get_int(spec, "max_output_tokens", 0),
                  json_get_int(spec, "max_completion_tokens", 0));
    return r;
}

static int build(struct viewing *viewing, struct error *err)
{
    const struct context_view *view = viewing->view;
    const struct provider_target target = {.context_tokens = view->context_tokens,
                                           .output_tokens_max = view->output_tokens};
    const struct context_history history = {
        .history = &view->list,
        .first = view->gap.count > 0 ? view->first : (size_t)view->settings.preserve_first,
        .gap = view->gap.count > 0 ? view->first : 0,
        .pending_run = view->run,
        .breaks = view->breaks,
        .breaks_count = view->breaks_count,
        .summary = &view->summary,
    };
    struct context_joined joined = {.arena = viewing->arena};
    struct context_plan plan = {.settings = &view->settings, .joined = &joined};
    struct context_fit fit = {0};
    struct context context;
    int r = context_build(&history, viewing->arena, &context, err);

    if (r < 0)
        return r;
    viewing->request.messages = context.messages;
    viewing->request.messages_count = context.count;
    plan.first = context.first;
    viewing->budget = context_budget(&target, &plan, &viewing->request);
    viewing->sent = viewing->request;
    context_fit(&target, &plan, &fit, &viewing->sent);
    return 0;
}

/* ---- what became of each message ---- */

static void mark(const struct chat_request *request, enum fate fate, enum fate *fates)
{
    for (size_t i = 0; i < request->messages_count; i++)
        if (request->messages[i].stored > 0)
            fates[request->messages[i].stored - 1] = fate;
}

static const char *reason_of(const struct viewing *viewing, enum fate fate)
{
    const struct context_settings *settings = &viewing->view->settings;

    if (fate == LEFT_PARTED)
        return "unpaired_tool_calls";
    if (fate == LEFT_BY_BUDGET)
        return settings->max_tokens > 0 && viewing->budget == settings->max_tokens
                   ? "max_tokens"
                   : "context_window";
    if (settings->strategy == CONTEXT_NONE)
        return "earlier_runs";
    if (settings->strategy == CONTEXT_VECTOR)
        return "not_similar";
    return settings->max_messages > 0 ? "max_messages" : "history_limit";
}

static void write_id(struct json_write *w, const char *name, struct uuid message)
{
    char id[ID_TEXT_SIZE];

    if (uuid_is_zero(message)) {
        json_write_null(w, name);
        return;
    }
    id_format(ID_MESSAGE, message, id);
    json_write_string(w, name, id);
}

static void write_range(struct json_write *w, int64_t count, struct uuid first, struct uuid last)
{
    json_write_int(w, "count", count);
    write_id(w, "first_id", first);
    write_id(w, "last_id", last);
}

/* What was not read in front of message `at`; NULL: nothing. */
static const struct message_gap *gap_at(const struct context_view *view, size_t at)
{
    if (at == view->first && view->gap.count > 0)
        return &view->gap;
    for (size_t i = 0; i < view->breaks_count; i++)
        if (view->breaks[i] == at && view->gaps[i].count > 0)
            return &view->gaps[i];
    return NULL;
}

static void write_gap(struct json_write *w, const char *reason, const struct message_gap *gap)
{
    if (gap->count == 0)
        return;
    json_write_open_object(w, NULL);
    json_write_string(w, "reason", reason);
    write_range(w, gap->count, gap->first, gap->last);
    json_write_close(w);
}

/* Neighbours of the same fate are one range. */
static void write_left_out(struct viewing *viewing, const enum fate *fates)
{
    const struct context_view *view = viewing->view;
    struct json_write *w = &viewing->w;
    size_t end;

    json_write_open_array(w, "left_out");
    write_gap(w, "summarized", &view->summarized);
    for (size_t i = 0; i <= view->list.count; i = end) {
        const struct message_gap *gap = gap_at(view, i);

        if (gap)
            write_gap(w, reason_of(viewing, LEFT_BY_STRATEGY), gap);
        end = i + 1;
        if (i == view->list.count)
            break;
        while (end < view->list.count && fates[end] == fates[i] && !gap_at(view, end))
            end++;
        if (fates[i] != SENT)
            write_gap(w, reason_of(viewing, fates[i]),
                      &(struct message_gap){(int64_t)(end - i), view->list.items[i].id,
                                            view->list.items[end - 1].id});
    }
    json_write_close(w);
}

static void write_sent(struct viewing *viewing, const enum fate *fates)
{
    const struct context_view *view = viewing->view;
    struct uuid first = {{0}};
    struct uuid last = {{0}};
    int64_t count = 0;

    for (size_t i = 0; i < view->list.count; i++) {
        if (fates[i] != SENT)
            continue;
        if (count++ == 0)
            first = view->list.items[i].id;
        last = view->list.items[i].id;
    }
    json_write_open_object(&viewing->w, "sent");
    write_range(&viewing->w, count, first, last);
    json_write_close(&viewing->w);
}

/* ---- the whole ---- */

static void write_count(struct json_write *w, const char *name, int64_t value)
{
    if (value > 0)
        json_write_int(w, name, value);
    else
        json_write_null(w, name);
}

static void write_owner(struct json_write *w, const char *name, enum id_kind kind, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    if (uuid_is_zero(id)) {
        json_write_null(w, name);
        return;
    }
    id_format(kind, id, text);
    json_write_string(w, name, text);
}

static void write_settings(struct viewing *viewing)
{
    const struct context_settings *settings = &viewing->view->settings;
    struct json_write *w = &viewing->w;

    json_write_string(w, "strategy", context_strategy_name(settings->strategy));
    json_write_string(w, "from", context_source_name(settings->from));
    write_count(w, "max_messages", settings->max_messages);
    write_count(w, "max_tokens", settings->max_tokens);
    if (settings->strategy == CONTEXT_FIRST_LAST)
        json_write_int(w, "preserve_first", settings->preserve_first);
    else
        json_write_null(w, "preserve_first");
    write_count(w, "trigger_tokens", settings->trigger_tokens);
    write_count(w, "top_k", settings->top_k);
    if (settings->strategy == CONTEXT_VECTOR) {
        json_write_double(w, "score_threshold", settings->score_threshold);
        json_write_bool(w, "degraded", viewing->view->degraded);
    } else {
        json_write_null(w, "score_threshold");
        json_write_null(w, "degraded");
    }
}

static int64_t count_all(const struct context_view *view)
{
    int64_t count = (int64_t)view->list.count + view->gap.count + view->summarized.count;

    for (size_t i = 0; i < view->breaks_count; i++)
        count += view->gaps[i].count;
    return count;
}

/* Whether the record of the summary is sent. */
static bool sends_summary(const struct viewing *viewing)
{
    return viewing->sent.messages_count > 0 && viewing->sent.messages[0].stored == 0;
}

static void write_summary(struct viewing *viewing)
{
    const struct thread_summary *summary = &viewing->view->summary;
    struct json_write *w = &viewing->w;

    if (!summary->text.ptr) {
        json_write_null(w, "summary");
        return;
    }
    json_write_open_object(w, "summary");
    json_write_text(w, "text", summary->text);
    write_id(w, "through_id", viewing->view->summarized.last);
    json_write_int(w, "message_count", summary->messages);
    json_write_int(w, "tokens", summary->tokens);
    json_write_int(w, "source_tokens", summary->source_tokens);
    json_write_text(w, "model", summary->model);
    write_owner(w, "run_id", ID_RUN, summary->run);
    json_write_int(w, "created_at", summary->created_at);
    json_write_bool(w, "sent", sends_summary(viewing));
    json_write_close(w);
}

int context_view_write(const struct context_view *view, struct arena *arena, struct buf *out,
                       struct error *err)
{
    struct viewing viewing = {.view = view, .arena = arena, .out = out};
    struct json_write *w = &viewing.w;
    enum fate *fates = arena_calloc(arena, view->list.count + 1, sizeof(*fates));
    int r = fates ? add_spec(&viewing, err) : out_of_room(err);

    if (r == 0)
        r = build(&viewing, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < view->list.count; i++)
        fates[i] = LEFT_PARTED;
    mark(&viewing.request, LEFT_BY_BUDGET, fates);
    mark(&viewing.sent, SENT, fates);
    json_write_init(w, out);
    json_write_open_object(w, NULL);
    json_write_string(w, "object", "thread.context");
    write_owner(w, "thread_id", ID_THREAD, view->thread);
    write_owner(w, "assistant_id", ID_ASSISTANT, view->agent);
    write_owner(w, "run_id", ID_RUN, view->run);
    write_settings(&viewing);
    json_write_text(w, "model", view->model);
    write_count(w, "context_tokens", view->context_tokens);
    write_count(w, "budget_tokens", viewing.budget);
    json_write_int(w, "tokens",
                   chat_tokens(&viewing.sent, TOKENS_O200K) -
                       chat_frame_tokens(&viewing.sent, TOKENS_O200K));
    json_write_int(w, "message_count", count_all(view));
    write_summary(&viewing);
    write_sent(&viewing, fates);
    write_left_out(&viewing, fates);
    json_write_close(w);
    return buf_check(out, err);
}
