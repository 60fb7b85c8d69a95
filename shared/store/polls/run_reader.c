/* One statement for the runs of a batch.
 *
 * A run that takes more than SMALL_BYTES_MAX is left out of the answer, so that a batch is bounded
 * and nobody waits for the megabytes of others. What a spec takes is noted beside it, and is not
 * measured here: what it takes on disk may be 250 times less. Runs that do not exist are absent,
 * too; who asks for one of those, or for a large one, pays for a second statement. The steps that
 * some look at are read by a statement of their own in the same request (step_looks.h).
 */

#include "shared/store/polls/run_reader.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/lru.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/gather.h"
#include "shared/store/polls/step_looks.h"
#include "shared/store/runs/run_rows.h"

enum { BATCH_MAX = 128, CROWD_MS = 1 };

struct known_spec {
    struct lru_entry entry;
    struct uuid run;
    struct text spec; /* behind the struct */
};

struct run_reader {
    struct pg *pg;
    struct gather *gather;
    struct lru specs;
    bool crowd; /* the last batch had more than one */
    struct run_reader_stats stats;
};

struct run_ask {
    struct gather_item item;
    const struct store *store;
    struct uuid thread;
    struct uuid id;
    struct run *out;
    struct run_look *look; /* NULL: none is wanted */
    bool answered;
    int result;
    struct error error;
};

/* $1 runs, $2 their tenants, $3 their threads (NULL: any), $4 whether the spec is known. A run's
 * place in $1 is that of its first asker: whoever asks for it in the name of another tenant or
 * thread in the same batch reads alone. An array to look in costs half of a set of rows to join. */
/* clang-format off */
#define PLACE           "array_position($1, r.id)"
#define AT_PLACE(array) "(" array ")[" PLACE "]"

static const struct pg_statement run_get_many = {
    .name = "run_get_many",
    .sql =
        "SELECT " RUN_COLUMNS_WITH("CASE " AT_PLACE("$4") " WHEN 0 THEN r.spec END") ","
        "    " PLACE
        " FROM runs r"
        " WHERE r.id = ANY ($1)"
        "   AND " SQL_CHECKED("r.tenant_id = " AT_PLACE("$2"))
        "   AND " SQL_CHECKED(
        "       r.thread_id IS NOT DISTINCT FROM coalesce(" AT_PLACE("$3") ", r.thread_id)")
        "   AND " SQL_CHECKED(SQL_SPEC_SENT("r") " <= " SQL_STRING(SMALL_BYTES_MAX))
        "   AND " SQL_CHECKED(
        "       r.required_action IS NULL"
        "       OR (pg_column_size(r.required_action) <= " SQL_STRING(SMALL_BYTES_MAX)
        "           AND " SQL_SENT("r.required_action") " <= " SQL_STRING(SMALL_BYTES_MAX) ")"),
    .types = "UUUI",
};
/* clang-format on */

#define COLUMN_PLACE RUN_COLUMNS_COUNT

static bool spec_is_of(const struct lru_entry *entry, const void *key)
{
    return uuid_equal(CONTAINER_OF(entry, struct known_spec, entry)->run,
                      *(const struct uuid *)key);
}

static void spec_drop(struct lru_entry *entry)
{
    free(CONTAINER_OF(entry, struct known_spec, entry));
}

static struct known_spec *spec_find(struct run_reader *reader, struct uuid run)
{
    struct lru_entry *entry =
        lru_find(&reader->specs, lru_hash_bytes(run.bytes, sizeof(run.bytes)), &run);

    return entry ? CONTAINER_OF(entry, struct known_spec, entry) : NULL;
}

static void spec_keep(struct run_reader *reader, struct uuid run, struct text spec)
{
    struct known_spec *known;

    if (!spec.ptr || spec.len > RUN_READER_SPEC_MAX || spec_find(reader, run))
        return;
    known = xmalloc(sizeof(*known) + spec.len);
    known->run = run;
    known->spec = (struct text){(char *)(known + 1), spec.len};
    memcpy(known + 1, spec.ptr, spec.len);
    lru_add(&reader->specs, lru_hash_bytes(run.bytes, sizeof(run.bytes)), &known->entry);
}

struct parameters {
    struct buf ids;
    struct buf tenants;
    struct buf threads;
    struct buf known;
};

static void add(struct run_reader *reader, struct parameters *parameters, const struct run_ask *ask)
{
    bool known = spec_find(reader, ask->id) != NULL;

    pg_array_add_uuid(&parameters->ids, ask->id);
    pg_array_add_uuid(&parameters->tenants, ask->store->tenant);
    if (uuid_is_zero(ask->thread))
        pg_array_add_null(&parameters->threads);
    else
        pg_array_add_uuid(&parameters->threads, ask->thread);
    pg_array_add_int(&parameters->known, known);
    reader->stats.runs++;
    reader->stats.specs_known += known;
}

/* Runs, and with `looks` (NULL: none are wanted) their steps, as one request. */
static int query(struct run_reader *reader, struct gather_batch *batch, struct step_looks *looks,
                 struct pg_result *out[2], struct error *err)
{
    struct parameters parameters;
    struct buf *const bufs[] = {&parameters.ids, &parameters.tenants, &parameters.threads,
                                &parameters.known};
    struct pg_query queries[2];
    int r;

    for (size_t i = 0; i < ARRAY_LENGTH(bufs); i++) {
        buf_init(bufs[i], 0);
        pg_array_begin(bufs[i]);
    }
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i])
            add(reader, &parameters, CONTAINER_OF(batch->items[i], struct run_ask, item));
    struct pg_value values[4] = {pg_array('U', &parameters.ids), pg_array('U', &parameters.tenants),
                                 pg_array('U', &parameters.threads),
                                 pg_array('I', &parameters.known)};

    reader->stats.statements++;
    queries[0] = (struct pg_query){&run_get_many, values};
    if (looks)
        queries[1] = step_looks_query(looks);
    r = pg_exec_all(reader->pg, queries, looks ? 2 : 1, out, err);
    for (size_t i = 0; i < ARRAY_LENGTH(bufs); i++)
        buf_deinit(bufs[i]);
    return r;
}

/* The spec is in the row, or in the memory of those read lately. It may have gone from there while
 * the statement was out: then the run is to be read alone. */
static void answer(struct run_reader *reader, struct run_ask *ask, const struct pg_result *result,
                   int at)
{
    struct known_spec *known;
    struct run run;
    int r = row_read_at(ask->store, &run_rows, result, at, &run, &ask->error);

    if (r == 0 && run.spec.ptr) {
        spec_keep(reader, run.id, run.spec);
    } else if (r == 0) {
        known = spec_find(reader, run.id);
        if (!known)
            return;
        run.spec = (struct text){arena_copy(ask->store->arena, known->spec), known->spec.len};
        if (!run.spec.ptr)
            r = error_set(&ask->error, E_LIMIT, "no room for the run");
    }
    ask->answered = true;
    ask->result = r;
    if (r == 0)
        *ask->out = run;
}

/* A row is for its first asker and whoever asked for the same behind him. */
static void answer_all(struct run_reader *reader, const struct gather_batch *batch, size_t place,
                       const struct pg_result *result, int at)
{
    const struct run_ask *first = GATHER_ASK(batch, place, struct run_ask);
    struct run_ask *ask;

    for (size_t i = place; first && i < batch->count; i++) {
        ask = GATHER_ASK(batch, i, struct run_ask);
        if (ask && uuid_equal(ask->id, first->id) && uuid_equal(ask->thread, first->thread) &&
            uuid_equal(ask->store->tenant, first->store->tenant))
            answer(reader, ask, result, at);
    }
}

/* What was sent: places in the batch of those who asked, and of those who look. Who asked may give
 * up while the statement is out. */
struct sent {
    size_t asked[BATCH_MAX];
    size_t asked_count;
    size_t looks[BATCH_MAX];
    size_t looks_count;
};

/* The steps of a run that several look at from the same place are read once. */
static bool look_alike(const struct run_ask *a, const struct run_ask *b)
{
    return a->look && b->look && a->look->seq == b->look->seq && uuid_equal(a->id, b->id) &&
           uuid_equal(a->store->tenant, b->store->tenant);
}

static bool is_looked_at(const struct gather_batch *batch, const struct sent *sent,
                         const struct run_ask *ask)
{
    for (size_t i = sent->looks_count; i-- > 0;)
        if (look_alike(GATHER_ASK(batch, sent->looks[i], struct run_ask), ask))
            return true;
    return false;
}

static void note(const struct gather_batch *batch, struct sent *sent, struct step_looks *looks)
{
    sent->asked_count = sent->looks_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct run_ask *ask = GATHER_ASK(batch, i, struct run_ask);

        if (!ask)
            continue;
        sent->asked[sent->asked_count++] = i;
        if (!ask->look || is_looked_at(batch, sent, ask))
            continue;
        sent->looks[sent->looks_count++] = i;
        step_looks_add(looks, ask->store->tenant, ask->id, ask->look->seq);
    }
}

/* A row of steps is for its first asker and whoever looks alike behind him. Where that one has
 * given up they hear nothing, and look for themselves. */
static void answer_look(const struct gather_batch *batch, size_t place,
                        const struct pg_result *result, int from, int to)
{
    const struct run_ask *first = GATHER_ASK(batch, place, struct run_ask);

    for (size_t i = place; first && i < batch->count; i++) {
        struct run_ask *ask = GATHER_ASK(batch, i, struct run_ask);

        if (!ask || !ask->answered || ask->result != 0 || !look_alike(ask, first))
            continue;
        ask->look->more = false;
        for (int at = from; at < to && ask->result == 0; at++)
            ask->result = step_looks_read(result, at, ask->look, &ask->error);
    }
}

/* Rows come in the order of their looks; many have none. */
static void answer_looks(const struct gather_batch *batch, const struct sent *sent,
                         const struct pg_result *result)
{
    int rows = pg_rows(result);
    int at = 0;

    for (size_t place = 0; place < sent->looks_count; place++) {
        int from = at;

        while (at < rows && step_looks_place(result, at) == place)
            at++;
        answer_look(batch, sent->looks[place], result, from, at);
    }
    ASSERT(at == rows);
}

static void fail_all(const struct gather_batch *batch, const struct sent *sent, int result,
                     const struct error *err)
{
    for (size_t i = 0; i < sent->asked_count; i++) {
        struct run_ask *ask = GATHER_ASK(batch, sent->asked[i], struct run_ask);

        if (!ask)
            continue;
        ask->answered = true;
        ask->result = result;
        ask->error = *err;
    }
}

static void read_batch(void *arg, struct gather_batch *batch)
{
    struct pg_result *results[2] = {NULL, NULL};
    struct run_reader *reader = arg;
    struct step_looks looks;
    struct sent sent;
    struct error err = {0};
    int r;

    ASSERT(batch->count <= BATCH_MAX);
    reader->crowd = batch->count > 1;
    step_looks_init(&looks);
    note(batch, &sent, &looks);
    r = query(reader, batch, sent.looks_count > 0 ? &looks : NULL, results, &err);
    step_looks_deinit(&looks);
    if (r < 0) {
        fail_all(batch, &sent, r, &err);
        return;
    }
    for (int i = 0; i < pg_rows(results[0]); i++) {
        int64_t place = pg_get_int(results[0], i, COLUMN_PLACE) - 1;

        ASSERT(place >= 0 && (size_t)place < sent.asked_count);
        answer_all(reader, batch, sent.asked[place], results[0], i);
    }
    if (sent.looks_count > 0)
        answer_looks(batch, &sent, results[1]);
    pg_result_free(results[0]);
    pg_result_free(results[1]);
}

/* A batch of more than one tells of many who poll: for those, larger batches are worth a moment,
 * which nobody notices who looks again and again. Whoever is alone does not wait. */
static void await_turn(void *arg)
{
    struct run_reader *reader = arg;

    if (reader->crowd)
        IGNORE(fiber_sleep(CROWD_MS, NULL));
    pg_await_turn(reader->pg);
}

struct run_reader *run_reader_new(struct pg *pg)
{
    struct run_reader *reader = xcalloc(1, sizeof(*reader));
    struct gather_options options = {
        .name = "run_reader",
        .fn = read_batch,
        .await = await_turn,
        .arg = reader,
        .lanes = 1,
        .batch_max = BATCH_MAX,
        .batch_max_bytes = SIZE_MAX,
    };

    reader->pg = pg;
    lru_init(&reader->specs, RUN_READER_SPECS, spec_is_of, spec_drop);
    reader->gather = gather_new(&options);
    return reader;
}

void run_reader_free(struct run_reader *reader)
{
    if (!reader)
        return;
    gather_free(reader->gather);
    lru_deinit(&reader->specs);
    free(reader);
}

int run_reader_look(struct run_reader *reader, const struct store *store, struct uuid thread,
                    struct uuid id, struct run *out, struct run_look *look, struct error *err)
{
    struct run_ask ask = {.store = store, .thread = thread, .id = id, .out = out, .look = look};
    int r;

    if (look) {
        look->count = 0;
        look->more = true; /* until it is known */
    }
    r = gather_ask(reader->gather, &ask.item, err);
    if (r < 0)
        return r;
    if (!ask.answered)
        return RUN_UNREAD;
    if (ask.result < 0 && err)
        *err = ask.error;
    return ask.result;
}

int run_reader_get(struct run_reader *reader, const struct store *store, struct uuid thread,
                   struct uuid id, struct run *out, struct error *err)
{
    return run_reader_look(reader, store, thread, id, out, NULL, err);
}

struct run_reader_stats run_reader_stats(const struct run_reader *reader)
{
    return reader->stats;
}
