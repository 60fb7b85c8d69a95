/* Histories in groups
 *
 * What starting a statement costs is shared by all runs that begin at the same time, which is most
 * of what the history of a fresh run costs. The statement cuts each history where the group's
 * bounds say; the reader's own limits are applied here, on the lengths of the texts. Where the
 * group's bounds were the narrower ones the history is not known yet, and its fiber reads it alone.
 * That also goes for a thread without a row in the answer: it is empty, or already its newest
 * message is too long. Both are rare.
 *
 * What may become of a group:
 *
 *   answered            each history is copied to the arena of its reader, or to be read alone
 *   answer lost         asked again, a few times: nothing is written here
 *   Postgres is away    all are told: one that asked alone would be told the same
 *   anything else       each is read alone, so a thread that can't be read, or not in time, is the
 *                       trouble of its own run only
 *
 * A fiber that gives up meanwhile is left out of what comes; nothing of its memory is touched.
 */

#include "shared/store/histories.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/fiber/gather.h"
#include "shared/store/message_rows.h"

#define GROUP_MAX  64
#define LANES      2
#define ATTEMPTS   3
#define READ_ALONE 1

static const struct histogram_shape size_shape = {
    .count = 7,
    .bounds = {1, 2, 4, 8, 16, 32, GROUP_MAX},
};

struct histories {
    struct pg *pg;
    struct gather *gather;
    struct histories_stats stats;
};

/* What one fiber wants, in its frame. */
struct wish {
    struct gather_item item;
    const struct store *store;
    struct uuid thread;
    const struct history_limits *limits;
    struct message_list list;
    int status; /* 0: `list` is it; READ_ALONE; negative: `error` is filled */
    struct error error;
};

/* One backward scan of messages_thread for each thread, whose order serves the window too. All
 * texts count, not only what the limits are about: this is what bounds the memory. `more`: there is
 * an older message. */
static const struct pg_statement histories_statement = {
    .name = "histories",
    .sql =
        "SELECT " HISTORY_COLUMNS ", i.n, m.more"
        " FROM unnest($1, $2, $3) WITH ORDINALITY AS i (tenant, thread, count, n)"
        " CROSS JOIN LATERAL ("
        "   SELECT h.*, row_number() OVER w AS place, lead(true, 1, false) OVER w AS more,"
        "     sum(octet_length(h.content) + coalesce(octet_length(h.tool_calls), 0)"
        "       + coalesce(octet_length(h.opaque), 0) + coalesce(octet_length(h.tool_call_id), 0)"
        "       + coalesce(octet_length(h.attachments::text), 0)"
        "       + octet_length(h.metadata::text)) OVER w AS bytes"
        "   FROM (SELECT " HISTORY_SOURCE
        "       WHERE o.thread_id = i.thread AND o.tenant_id = i.tenant"
        "       ORDER BY o.position DESC LIMIT i.count + 1) h"
        "   WINDOW w AS (ORDER BY h.position DESC ROWS UNBOUNDED PRECEDING)) m"
        " WHERE m.bytes <= " SQL_STRING(HISTORY_GROUP_BYTES) " AND m.place <= i.count"
                                                             " ORDER BY i.n, m.position DESC",
    .types = "UUI",
};

#define COLUMN_PLACE HISTORY_COLUMNS_COUNT /* in the batch, from 1 */
#define COLUMN_MORE  (HISTORY_COLUMNS_COUNT + 1)

static struct wish *wish_at(const struct gather_batch *batch, size_t place)
{
    struct gather_item *item = batch->items[place];

    return item ? CONTAINER_OF(item, struct wish, item) : NULL;
}

struct arrays {
    struct buf tenants;
    struct buf threads;
    struct buf counts;
};

static void arrays_deinit(struct arrays *arrays)
{
    buf_deinit(&arrays->tenants);
    buf_deinit(&arrays->threads);
    buf_deinit(&arrays->counts);
}

/* Who has given up keeps the place: no thread has that id. */
static void arrays_fill(struct arrays *arrays, const struct gather_batch *batch)
{
    buf_init(&arrays->tenants, 0);
    buf_init(&arrays->threads, 0);
    buf_init(&arrays->counts, 0);
    pg_array_begin(&arrays->tenants);
    pg_array_begin(&arrays->threads);
    pg_array_begin(&arrays->counts);
    for (size_t i = 0; i < batch->count; i++) {
        const struct wish *wish = wish_at(batch, i);
        int64_t count = wish ? wish->limits->count : 1;

        pg_array_add_uuid(&arrays->tenants, wish ? wish->store->tenant : (struct uuid){{0}});
        pg_array_add_uuid(&arrays->threads, wish ? wish->thread : (struct uuid){{0}});
        pg_array_add_int(&arrays->counts,
                         count < HISTORY_GROUP_COUNT ? count : HISTORY_GROUP_COUNT);
    }
    pg_array_end(&arrays->tenants);
    pg_array_end(&arrays->threads);
    pg_array_end(&arrays->counts);
}

static int send_batch(struct pg *pg, const struct gather_batch *batch, struct pg_result **out,
                      struct error *err)
{
    CLEANUP(arrays_deinit)
    struct arrays arrays;
    struct pg_value values[3];
    int r = 0;

    arrays_fill(&arrays, batch);
    values[0] = pg_array('U', &arrays.tenants);
    values[1] = pg_array('U', &arrays.threads);
    values[2] = pg_array('I', &arrays.counts);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        r = pg_exec(pg, &histories_statement, values, out, err);
        if (r != -E_AMBIGUOUS)
            break;
    }
    return r;
}

static int64_t row_bytes(const struct pg_result *result, int row)
{
    return (int64_t)(pg_get_text(result, row, HISTORY_COLUMN_CONTENT).len +
                     pg_get_text(result, row, HISTORY_COLUMN_TOOL_CALLS).len +
                     pg_get_text(result, row, HISTORY_COLUMN_OPAQUE).len);
}

/* Rows `from` to `to` - 1 are of this thread. Returns 0, READ_ALONE, or -E_LIMIT. */
static int take_rows(struct wish *wish, const struct pg_result *result, int from, int to)
{
    int64_t bytes = 0;
    int end = from;

    for (; end < to; end++) {
        bytes += row_bytes(result, end);
        if (end > from && bytes > wish->limits->bytes)
            break;
    }
    wish->list.count = (size_t)(end - from);
    wish->list.has_more = end < to || (to > from && pg_get_bool(result, to - 1, COLUMN_MORE));
    if (from == to || (end == to && wish->list.has_more && to - from < wish->limits->count))
        return READ_ALONE;
    return history_read(wish->store->arena, result, from, wish->list.count, &wish->list.items,
                        &wish->error);
}

static void take_all(const struct gather_batch *batch, const struct pg_result *result)
{
    int rows = pg_rows(result);
    int to = 0;

    for (size_t i = 0; i < batch->count; i++) {
        struct wish *wish = wish_at(batch, i);
        int from = to;

        while (to < rows && pg_get_int(result, to, COLUMN_PLACE) == (int64_t)i + 1)
            to++;
        if (wish)
            wish->status = take_rows(wish, result, from, to);
    }
    ASSERT(to == rows);
}

static void read_batch(void *arg, struct gather_batch *batch)
{
    struct histories *histories = arg;
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    struct error err = {0};
    int r;

    histogram_add(&histories->stats.size, (int64_t)batch->count);
    r = send_batch(histories->pg, batch, &result, &err);
    if (r == 0) {
        take_all(batch, result);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct wish *wish = wish_at(batch, i);

        if (!wish)
            continue;
        wish->status = r == -E_UNAVAILABLE || r == -E_AMBIGUOUS ? r : READ_ALONE;
        wish->error = err;
    }
}

static void await_turn(void *arg)
{
    struct histories *histories = arg;

    pg_await_turn(histories->pg);
}

struct histories *histories_new(struct pg *pg)
{
    struct histories *histories = xcalloc(1, sizeof(*histories));
    struct gather_options options = {
        .name = "histories",
        .fn = read_batch,
        .await = await_turn,
        .arg = histories,
        .lanes = LANES,
        .batch_max = GROUP_MAX,
        .batch_max_bytes = (size_t)GROUP_MAX * HISTORY_GROUP_BYTES,
    };

    histories->pg = pg;
    histories->stats.size.shape = &size_shape;
    histories->gather = gather_new(&options);
    return histories;
}

void histories_free(struct histories *histories)
{
    if (!histories)
        return;
    gather_free(histories->gather);
    free(histories);
}

const struct histories_stats *histories_stats(const struct histories *histories)
{
    return &histories->stats;
}

int histories_get(struct histories *histories, const struct store *store, struct uuid thread,
                  const struct history_limits *limits, struct message_list *out, struct error *err)
{
    struct wish wish = {
        .item = {.bytes = HISTORY_GROUP_BYTES},
        .store = store,
        .thread = thread,
        .limits = limits,
    };
    int r;

    ASSERT(limits->count >= 1 && limits->count <= PAGE_LIMIT_MAX);
    ASSERT(limits->bytes > 0);
    ASSERT(store->pg == histories->pg);
    r = gather_ask(histories->gather, &wish.item, err);
    if (r < 0)
        return r;
    if (wish.status == READ_ALONE) {
        histories->stats.alone++;
        return messages_history(store, thread, limits, out, err);
    }
    if (wish.status < 0 && err)
        *err = wish.error;
    if (wish.status == 0)
        *out = wish.list;
    return wish.status;
}
