/* Most responses are a few messages, which are read along with what others ask for. What does not
 * fit there is read alone. */

#include "scheduler/api/openai/responses/response_output.h"

#include "scheduler/api/openai/items/items.h"
#include "scheduler/api/openai/responses/response_render.h"
#include "shared/fiber/offload.h"

#define THOUGHTS_BYTES ((int64_t)4 << 20)
#define LARGE_ROOM     ((size_t)12 << 20)

static int read_messages(const struct store *store, const struct run *run, int64_t bytes_max,
                         struct message_list *out, struct error *err)
{
    const struct message_filter filter = {.run = run->id, .hidden = true};
    const struct page page = {.limit = PAGE_LIMIT_MAX, .ascending = true, .bytes_max = bytes_max};
    int r = messages_list(store, run->thread_id, &filter, &page, out, err);

    return r == THREAD_MISSING ? RUN_MISSING : r;
}

static int read_all(struct request *request, const struct run *run, bool with_room,
                    struct message_list *out, struct error *err)
{
    struct store store = request->store;
    int r = read_messages(&store, run, SMALL_BYTES_MAX, out, err);

    if (r != 0 || !out->has_more)
        return r;
    if (with_room && request_enlarge(request, LARGE_ROOM) < 0)
        return OUTPUT_REFUSED;
    store.pg = request->api->pg_large;
    r = read_messages(&store, run, PAGE_BYTES_MAX, out, err);
    if (r == 0 && out->has_more)
        return error_set(err, E_LIMIT, "the response is too large");
    return r;
}

struct writing {
    const struct items *items;
    struct buf *out;
};

static void write_items(void *arg)
{
    const struct writing *writing = arg;

    items_write(writing->items, writing->out);
}

static size_t bytes_of(const struct response_words *words)
{
    size_t bytes = 0;

    for (size_t i = 0; i < words->count; i++)
        bytes += words->messages[i].content.len + words->messages[i].tool_calls.len;
    return bytes;
}

int response_items(const struct run *run, const struct response_words *words, struct arena *arena,
                   struct buf *out, struct error *err)
{
    struct text spec = text_trim(run->spec);
    struct items items;
    int r = items_of(&(struct item_source){words->messages, words->count, item_is_servers_of, &spec,
                                           !run_status_terminal(run->status), &words->thoughts},
                     arena, &items, err);

    if (r == 0)
        offload_large(bytes_of(words), write_items, &(struct writing){&items, out});
    return r;
}

int response_output(struct request *request, const struct run *run, bool with_room, struct buf *out,
                    struct error *err)
{
    struct response_words words;
    struct message_list messages;
    int r;

    if (run->step == 0) /* nothing was written yet */
        return 0;
    r = read_all(request, run, with_room, &messages, err);
    if (r != 0)
        return r;
    r = run_steps_thoughts(&request->store, &run->id, 1, THOUGHTS_BYTES, &words.thoughts, err);
    if (r < 0)
        return r;
    words.messages = messages.items;
    words.count = messages.count;
    return response_items(run, &words, request->store.arena, out, err);
}

int response_missing(struct request *request, struct uuid run)
{
    char text[ID_TEXT_SIZE];

    id_format(ID_RESPONSE, run, text);
    return failure_param(&request->failure, 404, NULL, NULL, "Response with id '%s' not found.",
                         text);
}

int response_show(struct request *request, const struct run *run)
{
    CLEANUP(buf_deinit) struct buf items;
    struct error err;
    int r;

    buf_init(&items, (size_t)64 << 20);
    r = response_output(request, run, true, &items, &err);
    if (r == OUTPUT_REFUSED)
        return -E_INVALID;
    if (r == RUN_MISSING)
        return response_missing(request, run->id);
    if (r == 0)
        r = buf_check(&items, &err);
    if (r < 0)
        return request_failed(request, &err);
    response_write(run, buf_text(&items), &request->reply);
    return 0;
}
