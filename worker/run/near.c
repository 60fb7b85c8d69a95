#include "worker/run/near.h"

#include "providers/nearest/nearest.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

/* So long a run waits for vectors before words decide alone. */
#define VECTORS_MS 5000

/* Of what was said last. */
#define SAID_BYTES ((size_t)16 << 10)

/* ---- what was said last ---- */

static bool is_of_user(const struct message *message, struct uuid run)
{
    return message->role == MESSAGE_USER && !uuid_equal(message->run_id, run);
}

/* The messages of the user that the run is to answer: the last ones, before what it did itself. */
static size_t find_said(const struct message_list *history, struct uuid run, size_t *out_to)
{
    size_t to = history->count;
    size_t from;

    while (to > 0 && !is_of_user(&history->items[to - 1], run))
        to--;
    from = to;
    while (from > 0 && is_of_user(&history->items[from - 1], run))
        from--;
    *out_to = to;
    return from;
}

static int read_said(struct run_task *task, const struct message_list *history, struct text *out,
                     struct error *err)
{
    CLEANUP(buf_deinit) struct buf said;
    size_t to;
    size_t from = find_said(history, task->claim.row.lease.run, &to);
    char *copy;

    buf_init(&said, 0);
    for (size_t i = from; i < to; i++) {
        struct text text;

        if (context_parts_text(history->items[i].content, &task->arena, &text, err) < 0)
            continue; /* conversation_load says what is wrong with it */
        buf_add_text(&said, text);
        buf_add_char(&said, '\n');
        if (said.len > SAID_BYTES)
            break;
    }
    copy = said.failed ? NULL : arena_copy(&task->arena, buf_text(&said));
    if (!copy)
        return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
    *out = (struct text){copy, said.len};
    return 0;
}

/* ---- the choice ---- */

static int choose(struct run_task *task, const struct store *store,
                  const struct message_list *history, struct nearest_choice *choice,
                  struct error *err)
{
    const struct run_claim *row = &task->claim.row;
    struct nearest_ask ask = {
        .thread = row->thread_id,
        .user = choice->user,
        .below = history->items[0].position,
        .top_k = task->ask.near,
        .threshold = task->setup.memory.score_threshold,
        .requests_per_minute = row->requests_per_minute,
        .tokens_per_minute = row->tokens_per_minute,
        .deadline_ms = deadline_min(task->deadline_ms, deadline_in(VECTORS_MS)),
    };
    struct nearest_found found;
    int r = read_said(task, history, &ask.said, err);

    if (r == 0)
        r = nearest_choose(&task->worker->vectors, store, &ask, &found, err);
    if (r < 0)
        return r;
    task->vectors_below = found.more ? ask.below : 0;
    return run_nearest_keep(store, &row->lease, &found.choice, choice, err);
}

int near_read(struct run_task *task, struct message_list *history, struct context_history *source,
              struct error *err)
{
    const struct run_claim *row = &task->claim.row;
    const struct store store = {
        .pg = task->worker->pg, .tenant = row->tenant_id, .arena = &task->arena};
    struct nearest_breaks breaks;
    struct nearest_choice choice;
    int r;

    if (!history->has_more || history->count == 0)
        return 0;
    r = run_nearest_read(&store, row->lease.run, &choice, err);
    if (r == 0 && !choice.is_made)
        r = choose(task, &store, history, &choice, err);
    if (r > 0) /* the run is deleted, or another worker's */
        return RUN_DROP;
    if (r == 0)
        r = nearest_read(&store, row->thread_id, &choice, history, &breaks, err);
    if (r < 0)
        return r;
    source->breaks = breaks.items;
    source->breaks_count = breaks.count;
    return 0;
}
