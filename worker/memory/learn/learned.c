/* What was learned: from an answer to changes, and as they wait in a mark. */

#include "worker/memory/learn/learned.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/embed/embedder.h"
#include "shared/json/json_write.h"
#include "shared/recall/memory_text.h"

#define NEARLY_THE_SAME 0.92f /* cosine of embedder.h: other words, in the same order */

static const char *const action_names[] = {
    [LEARNED_ADD] = "add",
    [LEARNED_REPLACE] = "replace",
    [LEARNED_FORGET] = "forget",
};

static bool action_of(struct text name, enum learned_action *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(action_names); i++)
        if (text_is(name, action_names[i])) {
            *out = (enum learned_action)i;
            return true;
        }
    return false;
}

/* Models put fences and words around what they were asked for. */
static struct text object_in(struct text answer)
{
    const char *from = answer.ptr ? memchr(answer.ptr, '{', answer.len) : NULL;
    size_t end = answer.len;

    while (from && end > 0 && answer.ptr[end - 1] != '}')
        end--;
    if (!from || answer.ptr + end <= from)
        return TEXT_NONE;
    return (struct text){from, (size_t)(answer.ptr + end - from)};
}

/* ---- from an answer ---- */

struct reading {
    const struct learned_known *known;
    size_t known_count;
    unsigned kinds;
    struct arena *arena;
    bool taken[LEARNED_KNOWN_MAX]; /* replaced or forgotten already */
    float vectors[LEARNED_KNOWN_MAX][EMBEDDER_DIMENSIONS];
    struct learned *out;
};

static void embed(struct text text, float *out)
{
    struct embedder embedder = {.before = 0};

    if (embedder_add(&embedder, text) < 0)
        memset(&embedder, 0, sizeof(embedder));
    embedder_finish(&embedder, out);
}

/* A known memory that says nearly this; known_count: there is none. */
static size_t find_near(const struct reading *reading, const struct learned_op *op)
{
    float vector[EMBEDDER_DIMENSIONS];
    size_t best = reading->known_count;
    float most = NEARLY_THE_SAME;

    embed(op->text, vector);
    for (size_t i = 0; i < reading->known_count; i++) {
        float like = embedder_similarity(vector, reading->vectors[i]);

        if (!reading->taken[i] && reading->known[i].kind == op->kind && like >= most) {
            most = like;
            best = i;
        }
    }
    return best;
}

/* Which known one is meant. False: none. */
static bool take_old(struct reading *reading, size_t place, struct learned_op *op)
{
    if (place >= reading->known_count || reading->taken[place])
        return false;
    reading->taken[place] = true;
    op->old = reading->known[place].id;
    op->old_version = reading->known[place].version;
    return true;
}

/* Returns 0, 1 (it does not fit) or -E_LIMIT. */
static int read_text(struct reading *reading, struct json_object *change, struct learned_op *op)
{
    struct memory_text made;
    struct text kind = json_get_text(change, "kind");
    int r;

    if (!memory_kind_of(kind.len > 0 ? kind : TEXT("fact"), &op->kind) ||
        !(reading->kinds & 1u << op->kind))
        return 1;
    r = memory_text_make(reading->arena, json_get_text(change, "text"), &made);
    if (r == -E_LIMIT)
        return r;
    if (r != 0)
        return 1;
    op->text = made.text;
    op->id = uuid_new();
    return 0;
}

/* The same. */
static int read_change(struct reading *reading, struct json_object *change, struct learned_op *op)
{
    int64_t number = json_get_int(change, "number", 0);
    size_t place = number >= 1 ? (size_t)number - 1 : SIZE_MAX;
    int r;

    if (!action_of(json_get_text(change, "action"), &op->action))
        return 1;
    if (op->action == LEARNED_FORGET)
        return take_old(reading, place, op) ? 0 : 1;
    r = read_text(reading, change, op);
    if (r != 0)
        return r;
    if (op->action == LEARNED_ADD)
        place = find_near(reading, op);
    /* What is replaced may have been meant by a number that is none: the new one is true anyway. */
    op->action = take_old(reading, place, op) ? LEARNED_REPLACE : LEARNED_ADD;
    return 0;
}

static int read_changes(struct reading *reading, struct json_object *changes)
{
    struct learned *out = reading->out;

    for (size_t i = 0; i < json_object_array_length(changes); i++) {
        struct learned_op op = {.action = LEARNED_ADD};
        int r = 1;

        if (out->count < LEARNED_OPS_MAX)
            r = read_change(reading, json_object_array_get_idx(changes, i), &op);
        if (r < 0)
            return r;
        if (r == 0)
            out->ops[out->count++] = op;
        else
            out->refused++;
    }
    return 0;
}

int learned_read(struct text answer, const struct learned_known *known, size_t known_count,
                 unsigned kinds, struct arena *arena, struct learned *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct reading *reading = arena_calloc(arena, 1, sizeof(*reading));
    struct learned learned = {.ops = arena_calloc(arena, LEARNED_OPS_MAX, sizeof(*learned.ops))};
    struct json_object *changes;

    ASSERT(known_count <= LEARNED_KNOWN_MAX);
    if (!reading || !learned.ops)
        return error_set(err, E_LIMIT, "no room for what was learned");
    if (json_decode(object_in(answer), JSON_DEPTH_DEFAULT, &object, NULL) < 0)
        return error_set(err, E_INVALID, "the answer is no JSON object");
    changes = json_get(object, "changes");
    if (!json_object_is_type(changes, json_type_array))
        return error_set(err, E_INVALID, "the answer has no list 'changes'");
    reading->known = known;
    reading->known_count = known_count;
    reading->kinds = kinds;
    reading->arena = arena;
    reading->out = &learned;
    for (size_t i = 0; i < known_count; i++)
        embed(known[i].text, reading->vectors[i]);
    if (read_changes(reading, changes) < 0)
        return error_set(err, E_LIMIT, "no room for what was learned");
    *out = learned;
    return 0;
}

/* ---- pending ---- */

void learned_write(const struct learned *learned, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_int(&write, "to", learned->to);
    json_write_bool(&write, "more", learned->more);
    json_write_int(&write, "refused", (int64_t)learned->refused);
    json_write_open_array(&write, "ops");
    for (size_t i = 0; i < learned->count; i++) {
        const struct learned_op *op = &learned->ops[i];

        json_write_open_object(&write, NULL);
        json_write_string(&write, "action", action_names[op->action]);
        json_write_uuid_if(&write, "id", op->id);
        json_write_uuid_if(&write, "old", op->old);
        json_write_int(&write, "version", op->old_version);
        json_write_string(&write, "kind", memory_kind_names[op->kind]);
        json_write_text_if(&write, "text", op->text);
        json_write_close(&write);
    }
    json_write_close(&write);
    json_write_close(&write);
}

static struct uuid id_in(struct json_object *op, const char *name)
{
    struct uuid id = {{0}};

    return uuid_parse(json_get_text(op, name), &id) ? id : (struct uuid){{0}};
}

static int parse_op(struct json_object *object, struct arena *arena, struct learned_op *out)
{
    struct text text = json_get_text(object, "text");

    if (!action_of(json_get_text(object, "action"), &out->action) ||
        !memory_kind_of(json_get_text(object, "kind"), &out->kind))
        return -E_INVALID;
    out->id = id_in(object, "id");
    out->old = id_in(object, "old");
    out->old_version = json_get_int(object, "version", -1);
    out->text = (struct text){arena_copy(arena, text), text.len};
    return out->text.ptr || text.len == 0 ? 0 : -E_LIMIT;
}

int learned_parse(struct text pending, struct arena *arena, struct learned *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct json_object *ops;
    int r = json_decode(pending, JSON_DEPTH_DEFAULT, &object, err);

    if (r < 0)
        return error_wrap(err, "what is pending of a user");
    ops = json_get(object, "ops");
    *out = (struct learned){
        .ops = arena_calloc(arena, LEARNED_OPS_MAX, sizeof(*out->ops)),
        .refused = (size_t)json_get_int(object, "refused", 0),
        .to = json_get_int(object, "to", 0),
        .more = json_get_bool(object, "more", false),
    };
    if (!out->ops)
        return error_set(err, E_LIMIT, "no room for what was learned");
    for (size_t i = 0; i < LEARNED_OPS_MAX && json_object_is_type(ops, json_type_array) &&
                       i < json_object_array_length(ops);
         i++) {
        r = parse_op(json_object_array_get_idx(ops, i), arena, &out->ops[out->count]);
        if (r == -E_LIMIT)
            return error_set(err, E_LIMIT, "no room for what was learned");
        out->count += r == 0;
    }
    return 0;
}
