/* Readers of requests, the part that all dialects share. */

#include "providers/rehearsal/request/reader.h"

struct text reader_header(const struct request *request, const char *name)
{
    return request->header ? request->header(request->header_arg, name) : TEXT_NONE;
}

size_t reader_length(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

void reader_init(struct reader *reader, const struct request *request, struct conversation *out,
                 struct problem *problem)
{
    *reader = (struct reader){.request = request, .out = out, .problem = problem};
    *out = (struct conversation){.text_bytes = 0};
    buf_init(&reader->text, 0);
    buf_init(&reader->system, 0);
}

void reader_deinit(struct reader *reader)
{
    buf_deinit(&reader->text);
    buf_deinit(&reader->system);
}

static int too_large(const struct reader *reader)
{
    return problem_set(reader->problem, "messages", "The messages are too large.");
}

bool reader_keep(const struct reader *reader, struct text text, struct text *out)
{
    const char *copy = arena_copy(reader->request->arena, text);

    *out = (struct text){copy, copy ? text.len : 0};
    return copy != NULL;
}

static bool add(const struct reader *reader, struct texts *texts, struct text text)
{
    if (texts->count == texts->room) {
        size_t room = texts->room ? texts->room * 2 : 8;
        struct text *items = arena_alloc(reader->request->arena, room * sizeof(*items));

        if (!items)
            return false;
        if (texts->count)
            memcpy(items, texts->items, texts->count * sizeof(*items));
        texts->items = items;
        texts->room = room;
    }
    texts->items[texts->count++] = text;
    return true;
}

static int add_copy(const struct reader *reader, struct texts *texts, struct text text)
{
    struct text copy;

    if (!reader_keep(reader, text, &copy) || !add(reader, texts, copy))
        return too_large(reader);
    return 0;
}

int reader_begin(struct reader *reader, struct text model, struct json_object *messages)
{
    if (!reader_keep(reader, model, &reader->out->model))
        return problem_set(reader->problem, "model", "The model's name is too long.");
    sha256_hex(json_text(messages), reader->out->messages_sha256);
    return 0;
}

int reader_other(struct reader *reader)
{
    if (reader->text.failed)
        return too_large(reader);
    reader->out->text_bytes += reader->text.len;
    if (!reader->request->keep_texts)
        return 0;
    return add_copy(reader, &reader->all, buf_text(&reader->text));
}

int reader_system(struct reader *reader)
{
    if (reader->system.len)
        buf_add_char(&reader->system, '\n');
    buf_add_text(&reader->system, buf_text(&reader->text));
    return reader_other(reader);
}

int reader_user(struct reader *reader)
{
    reader->ids.count = 0;
    reader->results.count = 0;
    reader->out->rounds = 0;
    if (!reader_keep(reader, buf_text(&reader->text), &reader->out->user))
        return too_large(reader);
    return reader_other(reader);
}

void reader_round(struct reader *reader)
{
    reader->out->rounds++;
}

int reader_call(struct reader *reader, struct text id)
{
    if (reader->ids.count == READER_CALLS_MAX)
        return problem_set(reader->problem, "messages",
                           "The rehearsal LLM reads at most %d calls since the user's message.",
                           READER_CALLS_MAX);
    if (!add(reader, &reader->ids, id) || !add(reader, &reader->results, TEXT_NONE))
        return too_large(reader);
    return 0;
}

int reader_unique(struct reader *reader, struct text id, bool *out_unique)
{
    *out_unique = true;
    for (size_t i = 0; i < reader->unique.count && *out_unique; i++)
        *out_unique = !text_equal(reader->unique.items[i], id);
    return add(reader, &reader->unique, id) ? 0 : too_large(reader);
}

int reader_result(struct reader *reader, struct text id, bool *out_known)
{
    *out_known = false;
    for (size_t i = 0; i < reader->ids.count && !*out_known; i++) {
        if (reader->results.items[i].ptr || (id.len && !text_equal(reader->ids.items[i], id)))
            continue;
        if (!reader_keep(reader, buf_text(&reader->text), &reader->results.items[i]))
            return too_large(reader);
        *out_known = true;
    }
    return reader_other(reader);
}

size_t reader_unanswered(const struct reader *reader, struct buf *out)
{
    size_t count = 0;

    for (size_t i = 0; i < reader->ids.count; i++) {
        if (reader->results.items[i].ptr)
            continue;
        if (count > 0)
            buf_add_string(out, ", ");
        buf_add_text(out, reader->ids.items[i]);
        count++;
    }
    return count;
}

int reader_offer(struct reader *reader, struct text name)
{
    if (reader->offered.count == READER_TOOLS_MAX)
        return problem_set(reader->problem, "tools", "At most %d tools can be offered.",
                           READER_TOOLS_MAX);
    return add_copy(reader, &reader->offered, name);
}

int reader_embed(struct reader *reader, struct text text)
{
    struct conversation *out = reader->out;

    if (add_copy(reader, &reader->all, text) != 0)
        return CONVERSATION_REFUSED;
    if (reader->all.count == 1)
        out->user = reader->all.items[0];
    out->text_bytes += text.len;
    return 0;
}

void reader_end_embed(const struct reader *reader, struct embedding_request *out)
{
    out->texts = reader->all.items;
    out->count = reader->all.count;
}

int reader_end(struct reader *reader)
{
    struct conversation *out = reader->out;

    if (reader->system.failed || !reader_keep(reader, buf_text(&reader->system), &out->system))
        return too_large(reader);
    out->texts = reader->all.items;
    out->texts_count = reader->all.count;
    for (size_t i = 0; i < reader->results.count; i++)
        if (!reader->results.items[i].ptr)
            reader->results.items[i] = TEXT("");
    out->tools = reader->results.items;
    out->tools_count = reader->results.count;
    out->offered = reader->offered.items;
    out->offered_count = reader->offered.count;
    return 0;
}
